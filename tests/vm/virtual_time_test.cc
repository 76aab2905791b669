// Virtual time: the guest's clock runs by itself, and nothing of the machine leaks in.
#include <fstream>
#include <string>
#include <utility>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;

namespace {

const Result<VmRunner>& guest() {
    static const Result<VmRunner> runner = VmRunner::pick({.virtual_time = true}, GuestEngine::uml);
    return runner;
}

#define NEEDS_VIRTUAL_TIME()                       \
    if (!guest()) {                                \
        WARN("skipped: " << guest().error().what); \
        return;                                    \
    }

struct Ran {
    Result<int> code;
    std::string output;
};

Ran run(const std::string& script, std::uint64_t seed = 1) {
    std::string text;
    GuestJob job;
    job.argv = {"/bin/sh", "-c", script};
    job.limit = minutes(2);
    job.memory_mib = 256;
    job.virtual_time = {.seed = seed};
    job.output = [&text](std::string_view more) { text += more; };
    Result<int> code = guest()->run(job);
    return {.code = std::move(code), .output = std::move(text)};
}

/// All that programs take for random or for the machine's: random bytes, the clock to the
/// nanosecond, addresses, the processor's counter.
const std::string leaks = std::string(
    "head -c 64 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid; date +%s.%N; "
    "grep -e heap -e stack /proc/self/maps; cat /proc/interrupts; " OVERLAB_COUNTER_READER);

}  // namespace

TEST_CASE("the clock starts where it is told to, and a day of sleep passes at once") {
    NEEDS_VIRTUAL_TIME();

    const Ran ran = run("date -u +%F; sleep 86400; date -u +%F; exit 3");

    CHECK(ran.code == 3);
    CHECK(ran.output == "2024-01-01\n2024-01-02\n");
}

TEST_CASE("the same guest twice gives the same bytes, whatever the machine does") {
    NEEDS_VIRTUAL_TIME();

    const Ran first = run(leaks);
    const Ran second = run(leaks);

    REQUIRE(first.code == 0);
    CHECK(first.output.size() > 500);
    CHECK(first.output == second.output);
}

TEST_CASE("another seed gives another guest") {
    NEEDS_VIRTUAL_TIME();

    CHECK(run("cat /proc/sys/kernel/random/uuid", 1).output !=
          run("cat /proc/sys/kernel/random/uuid", 2).output);
}

TEST_CASE("work takes no time, and output comes back byte by byte") {
    NEEDS_VIRTUAL_TIME();

    const Ran ran =
        run("yes 0123456789 | head -n 300000; sed 's/[.].*//' /proc/uptime > /tmp/now; "
            "[ $(cat /tmp/now) -lt 5 ] && echo early");

    CHECK(ran.code == 0);
    CHECK(ran.output.size() == 300000 * 11 + 6);
    CHECK(ran.output.ends_with("9\nearly\n"));
}

TEST_CASE("a shared folder has the name in the guest that the job gives it") {
    NEEDS_VIRTUAL_TIME();
    const test::TempFolder folder;
    GuestJob job;
    job.argv = {"/bin/sh", "-c", "pwd > /run/shared/where"};
    job.folder = "/run/shared";
    job.writable = {GuestShare(folder.path(), "/run/shared")};
    job.virtual_time.emplace();

    REQUIRE(guest()->run(job) == 0);

    std::ifstream file(folder.path() / "where");
    std::string where;
    file >> where;
    CHECK(where == "/run/shared");
}

TEST_CASE("a program that never waits stops the clock, and the guest is ended at its limit") {
    NEEDS_VIRTUAL_TIME();
    GuestJob job;
    job.argv = {"/bin/sh", "-c", "while :; do :; done"};
    job.limit = seconds(10);
    job.virtual_time.emplace();

    const Result<int> code = guest()->run(job);

    REQUIRE_FALSE(code.has_value());
    CHECK_THAT(code.error().what, Catch::Contains("not done within 10 s"));
}

TEST_CASE("virtual time is refused where the engine has none") {
    const Result<VmRunner> tcg = VmRunner::pick({}, GuestEngine::tcg);
    if (!tcg) {
        WARN("skipped: " << tcg.error().what);
        return;
    }
    GuestJob job;
    job.argv = {"/bin/true"};
    job.virtual_time.emplace();

    const Result<int> code = tcg->run(job);

    REQUIRE_FALSE(code.has_value());
    CHECK(code.error().kind == ErrorKind::invalid_argument);
}
