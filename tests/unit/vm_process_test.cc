// run_guest with a shell for an engine: streams, limits, and what is left of its processes.
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>

#include "real/vm/guest_process.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

struct Ran {
    GuestEnd end;
    std::string output;
};

Ran run(const std::string& script, Duration limit = minutes(1)) {
    Ran ran;
    auto end = run_guest({.argv = {"/bin/sh", "-c", script}, .env = {{"ENGINE_SAYS", "hello"}}},
                         limit, [&ran](std::string_view more) { ran.output += more; });
    REQUIRE(end.has_value());
    ran.end = std::move(*end);
    return ran;
}

bool no_child_left() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

}  // namespace

TEST_CASE("output and console are apart, and the exit code comes back") {
    const Ran ran = run("echo \"$ENGINE_SAYS\" >&3; echo one; echo two >&2; cat; exit 7");

    CHECK(ran.end.code == 7);
    CHECK(ran.output == "hello\n");
    CHECK(ran.end.console == "one\ntwo\n");
    CHECK_FALSE(ran.end.over_limit);
    CHECK(ran.end.signal == 0);
}

TEST_CASE("an engine has three descriptors and the output, and none of ours") {
    // The fourth is the folder that ls reads.
    CHECK(run("ls /proc/self/fd | tr '\\n' ' ' >&3").output == "0 1 2 3 4 ");
}

TEST_CASE("of a console only the end is kept") {
    const Ran ran = run("yes trouble | head -c 1000000; echo last words");

    CHECK(ran.end.console.size() <= (16 << 10));
    CHECK_THAT(ran.end.console,
               Catch::EndsWith("trouble\nlast words\n") || Catch::EndsWith("last words\n"));
}

TEST_CASE("an engine that cannot start says so on its console") {
    const auto end =
        run_guest({.argv = {"/nowhere/engine"}, .env = {}}, seconds(30), [](std::string_view) {});

    REQUIRE(end.has_value());
    CHECK(end->code == 127);
    CHECK(end->console == "/nowhere/engine: No such file or directory\n");
}

TEST_CASE("what an engine leaves running ends with it") {
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);

    // The sleeper holds both streams open; without its end this would take the minute.
    const Ran ran = run("sleep 1000 & echo up >&3");

    CHECK(ran.output == "up\n");
    CHECK_FALSE(ran.end.over_limit);
    CHECK(no_child_left());
}

TEST_CASE("an engine over its limit is killed with all its processes, deaf or not") {
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);

    const Ran ran = run("trap '' TERM INT HUP; sleep 1000 & while :; do wait; sleep 1000; done",
                        milliseconds(200));

    CHECK(ran.end.over_limit);
    CHECK(ran.end.code == 137);
    CHECK(no_child_left());
}
