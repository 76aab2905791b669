// VmRunner with User-mode Linux, the engine that needs neither rights nor a device: what a command
// in the guest sees, what comes back, and that nothing is left however it ends. Each guest takes
// about two seconds to boot, so a test asks several things of one.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "real/base/fd.h"
#include "real/base/process.h"
#include "real/vm/guest_engine.h"
#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;

namespace {

/// Answers are remembered for this program only.
const VmOptions& options() {
    static const test::TempFolder cache;
    static const VmOptions kept{.uml = {}, .cache = cache.path(), .ask_again = false};
    return kept;
}

const Result<VmRunner>& uml() {
    static const Result<VmRunner> runner = VmRunner::pick({}, GuestEngine::uml, options());
    return runner;
}

#define NEEDS_UML()                              \
    if (!uml()) {                                \
        WARN("skipped: " << uml().error().what); \
        return;                                  \
    }

struct Ran {
    Result<int> code;
    std::string output;
};

GuestJob shell_job(const std::string& script) {
    GuestJob job;
    job.argv = {"/bin/sh", "-c", script};
    job.limit = minutes(2);
    job.memory_mib = 256;
    return job;
}

Ran run(GuestJob job) {
    std::string text;
    job.output = [&text](std::string_view more) { text += more; };
    Result<int> code = uml()->run(job);
    return {.code = std::move(code), .output = std::move(text)};
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Every process whose parents died becomes a child of this test program.
void adopt_orphans() { REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); }

/// Reaps what is left; false if something still runs after 10 s.
bool all_children_end() {
    for (int round = 0; round < 1000; ++round) {
        const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
        if (ended < 0 && errno == ECHILD) return true;
        if (ended == 0) ::poll(nullptr, 0, 10);
    }
    return false;
}

/// A child process that runs a guest whose command says `up` and then stays. The test gets the
/// child once it is up.
class BusyCaller {
   public:
    BusyCaller() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        from_ = Fd(ends[0]);
        Fd to(ends[1]);
        child_ = Process::fork([&to] {
            GuestJob job = shell_job("echo up; exec sleep 1000");
            job.output = [&to](std::string_view text) {
                (void)!::write(to.get(), text.data(), text.size());
            };
            return uml()->run(job) ? 1 : 2;
        });
        REQUIRE(child_.has_value());
        to.close();
        char byte = 0;
        REQUIRE(::read(from_.get(), &byte, 1) == 1);
        REQUIRE(byte == 'u');
    }

    Process& process() { return *child_; }

   private:
    Fd from_;
    Result<Process> child_ = fail(ErrorKind::unavailable, "not started");
};

}  // namespace

TEST_CASE("Debian's User-mode Linux has ESP, netem and ipip") {
    NEEDS_UML();

    const EngineState state = [] {
        for (EngineState& each : VmRunner::engines(options())) {
            if (each.engine == GuestEngine::uml) return each;
        }
        return EngineState{};
    }();

    CHECK(state.usable);
    CHECK_THAT(state.why, Catch::StartsWith("kernel "));
    CHECK(state.has.esp);
    CHECK(state.has.netem);
    CHECK(state.has.ipip);
}

TEST_CASE("every engine that does not work here says why, and what to do") {
    const std::vector<EngineState> states = VmRunner::engines(options());

    REQUIRE(states.size() == 3);
    CHECK(states[0].engine == GuestEngine::kvm);
    CHECK(states[1].engine == GuestEngine::uml);
    CHECK(states[2].engine == GuestEngine::tcg);
    for (const EngineState& state : states) {
        INFO(to_string(state.engine));
        CHECK_FALSE(state.why.empty());
        if (!state.usable) CHECK_FALSE(state.remedy.empty());
    }
}

TEST_CASE("what no kernel here has is refused with each engine's reason") {
    const auto picked =
        VmRunner::pick({.wireguard = true}, GuestEngine::uml,
                       {.uml = "/nowhere/linux", .cache = options().cache, .ask_again = false});

    REQUIRE_FALSE(picked.has_value());
    CHECK(picked.error().kind == ErrorKind::unsupported);
    CHECK_THAT(picked.error().what, Catch::Contains("(wireguard)"));
    CHECK_THAT(picked.error().what,
               Catch::Contains("uml: /nowhere/linux: not an executable program"));
}

TEST_CASE("the command's exit code comes back, however it ended") {
    NEEDS_UML();

    CHECK(run(shell_job("kill -9 $$")).code == 137);

    GuestJob absent = shell_job("");
    absent.argv = {"/nowhere/program"};
    const Ran ran = run(absent);
    CHECK(ran.code == 127);
    CHECK_THAT(ran.output, Catch::Contains("/nowhere/program"));
}

TEST_CASE("output comes back byte by byte, also much of it") {
    NEEDS_UML();
    const test::TempFolder folder;
    std::string expected;
    for (int i = 0; i < 256; ++i) expected += static_cast<char>(i);
    std::ofstream(folder.path() / "bytes") << expected;
    // All 256 bytes, then 3 MB, and a straggler that keeps the output open.
    GuestJob job = shell_job(
        "cat bytes; yes 0123456789 | head -n 300000; echo error >&2; (sleep 1000 &) ; "
        "test -t 1 || echo end");
    job.folder = folder.path();

    const Ran ran = run(job);

    CHECK(ran.code == 0);
    for (int i = 0; i < 300000; ++i) expected += "0123456789\n";
    expected += "error\nend\n";
    CHECK(ran.output.size() == expected.size());
    CHECK((ran.output == expected));
}

TEST_CASE("shared folders are written, the machine's root is not") {
    NEEDS_UML();
    const test::TempFolder shared;
    const test::TempFolder other;
    std::ofstream(shared.path() / "input") << "from the machine\n";
    GuestJob job = shell_job(
        "set -e\n"
        "pwd; id -u; tr a-z A-Z < input > output; mkdir sub; head -c 100000 /dev/zero > sub/zeros\n"
        "for place in /etc /var/lib /tmp /run " +
        other.path().string() +
        "; do echo x > $place/overlab-guest-was-here; cat $place/overlab-guest-was-here; done\n"
        "[ -c /dev/net/tun ]; ip tuntap add probe mode tun; echo tun\n"
        "ip -brief link show lo | grep -o LOOPBACK,UP\n"
        "echo to null > /dev/null; [ -d /proc/self ]; [ -w /dev/shm ]; [ -d /sys/class/net/lo ]\n"
        "read line || echo no input");
    job.folder = shared.path();
    job.writable = {shared.path()};

    const Ran ran = run(job);

    CHECK(ran.code == 0);
    CHECK(ran.output ==
          shared.path().string() + "\n0\nx\nx\nx\nx\nx\ntun\nLOOPBACK,UP\nno input\n");
    CHECK(read_file(shared.path() / "output") == "FROM THE MACHINE\n");
    CHECK(read_file(shared.path() / "sub/zeros") == std::string(100000, '\0'));
    for (const std::filesystem::path& place :
         {std::filesystem::path("/etc"), std::filesystem::path("/var/lib"),
          std::filesystem::path("/tmp"), std::filesystem::path("/run"), other.path()}) {
        INFO(place);
        CHECK_FALSE(std::filesystem::exists(place / "overlab-guest-was-here"));
    }
}

TEST_CASE("a namespace's ping takes the delay that netem gives it") {
    NEEDS_UML();
    //   v0 198.51.100.1 (delays 20 ms) ---- v1 198.51.100.2 in namespace `there`
    const Ran ran = run(
        shell_job("set -e; ip netns add there; ip link add v0 type veth peer name v1 netns there\n"
                  "ip addr add 198.51.100.1/24 dev v0; ip link set v0 up\n"
                  "ip netns exec there ip addr add 198.51.100.2/24 dev v1\n"
                  "ip netns exec there ip link set v1 up\n"
                  "tc qdisc add dev v0 root netem delay 20ms\n"
                  "busybox ping -c 4 198.51.100.2 | sed -n 's/.*min.*= \\([0-9]*\\).*/min \\1/p'\n"
                  "ip netns exec there ip -o link | wc -l"));

    CHECK(ran.code == 0);
    INFO(ran.output);
    REQUIRE(ran.output.starts_with("min "));
    const int min_ms = std::stoi(ran.output.substr(4));
    CHECK(min_ms >= 20);
    // Loopback and v1: tunnel modules put nothing of their own into a namespace.
    CHECK(ran.output.ends_with("\n2\n"));
}

TEST_CASE("a guest over its limit is ended, and nothing of it is left") {
    NEEDS_UML();
    adopt_orphans();
    GuestJob job = shell_job("while :; do :; done");
    job.limit = seconds(3);

    const Ran ran = run(job);

    REQUIRE_FALSE(ran.code.has_value());
    CHECK(ran.code.error().kind == ErrorKind::unavailable);
    CHECK_THAT(ran.code.error().what, Catch::Contains("guest (uml): not done within 3 s"));
    CHECK(all_children_end());
}

TEST_CASE("a guest that dies is an error with its console's last words") {
    NEEDS_UML();
    adopt_orphans();

    const Ran ran = run(shell_job("echo before; echo c > /proc/sysrq-trigger; sleep 1000"));

    REQUIRE_FALSE(ran.code.has_value());
    CHECK(ran.code.error().kind == ErrorKind::unavailable);
    CHECK_THAT(ran.code.error().what,
               Catch::Contains("guest (uml): died without a result") && Catch::Contains("panic"));
    CHECK(all_children_end());
}

TEST_CASE("a caller that is killed takes its guest along") {
    NEEDS_UML();
    adopt_orphans();
    BusyCaller caller;

    caller.process().signal(SIGKILL);

    REQUIRE(caller.process().wait(seconds(30)).has_value());
    CHECK(all_children_end());
}

TEST_CASE("a caller's SIGTERM ends the guest first and then the caller") {
    NEEDS_UML();
    adopt_orphans();
    BusyCaller caller;

    caller.process().signal(SIGTERM);

    const auto status = caller.process().wait(seconds(30));
    REQUIRE(status.has_value());
    CHECK(status->signal == SIGTERM);
    CHECK(all_children_end());
}

TEST_CASE("an ordinary user has a guest too, and is root in it") {
    NEEDS_UML();
    if (::geteuid() != 0) {
        WARN("skipped: the other tests have shown it");
        return;
    }
    constexpr uid_t nobody = 65534;
    const test::TempFolder folder;
    REQUIRE(::chown(folder.path().c_str(), nobody, nobody) == 0);

    auto child = Process::fork([&folder] {
        if (::setgid(nobody) != 0 || ::setuid(nobody) != 0) return 10;
        const auto runner = VmRunner::pick({.esp = true}, GuestEngine::uml,
                                           {.uml = {}, .cache = folder.path(), .ask_again = false});
        if (!runner) return 11;
        GuestJob job = shell_job("id -u > who && ip link add probe type veth");
        job.folder = folder.path();
        job.writable = {folder.path()};
        return runner->run(job).value_or(12);
    });
    REQUIRE(child.has_value());
    const auto status = child->wait(minutes(2));

    REQUIRE(status.has_value());
    CHECK(status->code == 0);
    CHECK(read_file(folder.path() / "who") == "0\n");
    struct stat made{};
    REQUIRE(::stat((folder.path() / "who").c_str(), &made) == 0);
    CHECK(made.st_uid == nobody);
}
