// The sandbox: nothing gets out of it, nothing is left of it. As root, and as nobody in particular.
#include "real/base/sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "real/base/fd.h"
#include "real/base/netns.h"
#include "real/base/process.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

constexpr uid_t nobody = 65534;

/// Says what hinders and leaves the test, where this machine does not allow sandboxes.
#define NEEDS_SANDBOX()                                                \
    if (const auto probe = run_in_sandbox([] { return 0; }); !probe) { \
        WARN("skipped: " << probe.error().what);                       \
        return;                                                        \
    }

/// Both ends are ours and our children's until closed.
struct Pipe {
    Fd read, write;
    Pipe() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        read = Fd(ends[0]);
        write = Fd(ends[1]);
    }
    void tell() const { (void)!::write(write.get(), "x", 1); }
    /// True once a byte has come (`byte`) or all writers are gone (not `byte`).
    [[nodiscard]] bool hears(bool byte) const {
        pollfd ready{.fd = read.get(), .events = POLLIN, .revents = 0};
        if (::poll(&ready, 1, 20'000) <= 0) return false;
        char text = 0;
        return ::read(read.get(), &text, 1) == (byte ? 1 : 0);
    }
};

ino_t netns_inode() {
    struct stat status{};
    return ::stat("/proc/self/ns/net", &status) == 0 ? status.st_ino : 0;
}

/// Gives up root, as an ordinary user's shell would have us.
bool become_nobody() {
    return ::setgid(nobody) == 0 && ::setuid(nobody) == 0 && ::prctl(PR_SET_DUMPABLE, 1) == 0;
}

int wait_for_ever() {
    for (;;) ::pause();
}

/// In the sandbox: 0, or the number of the first thing that is not as it should be.
int look_around(ino_t outer_netns) {
    if (::getpid() != 1) return 1;
    if (::geteuid() != 0) return 2;
    if (netns_inode() == outer_netns || netns_inode() == 0) return 3;
    if (::if_nametoindex("eth0") != 0) return 4;
    std::size_t processes = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        if (entry.path().filename().string().find_first_not_of("0123456789") == std::string::npos)
            ++processes;
    }
    if (processes != 1) return 5;
    if (!std::filesystem::is_empty("/run")) return 6;
    std::ofstream("/run/charon.pid") << "1";
    if (!std::filesystem::exists("/var/run/charon.pid")) return 7;
    if (!Netns::create()) return 8;
    return 0;
}

}  // namespace

TEST_CASE("inside, everything is its own") {
    NEEDS_SANDBOX();
    const ino_t outside = netns_inode();

    const auto code = run_in_sandbox([&] { return look_around(outside); });

    CHECK(code.value() == 0);
    CHECK(netns_inode() == outside);
    CHECK_FALSE(std::filesystem::exists("/run/charon.pid"));
}

TEST_CASE("the body's answer comes back, and so does its death") {
    NEEDS_SANDBOX();
    CHECK(run_in_sandbox([] { return 42; }).value() == 42);
    CHECK(run_in_sandbox([] {
              ::abort();
              return 0;
          }).value() == 128 + SIGABRT);
}

TEST_CASE("processes left behind end with the body") {
    NEEDS_SANDBOX();
    const Pipe held;
    Pipe outer;

    const auto code = run_in_sandbox([&] {
        // Out of its parent's reach in every other way: own session, parent gone, no death signal.
        if (::fork() == 0) {
            ::setsid();
            if (::fork() != 0) ::_exit(0);
            held.tell();
            wait_for_ever();
        }
        return held.hears(true) ? 0 : 1;
    });

    CHECK(code.value() == 0);
    // The daemon holds the write end as long as it lives.
    Fd ours = std::move(outer.write);
    ours.close();
    CHECK(outer.hears(false));
}

TEST_CASE("a killed caller takes the sandbox with it") {
    NEEDS_SANDBOX();
    for (const bool root : {true, false}) {
        if (!root && ::geteuid() == 0) {
            // Only root can try both.
        } else if (!root) {
            continue;
        }
        const Pipe ready;
        Pipe gone;
        Process caller = Process::fork([&] {
                             if (!root && !become_nobody()) return 1;
                             const auto code = run_in_sandbox([&] {
                                 ready.tell();
                                 return wait_for_ever();
                             });
                             if (!code) ready.tell();
                             return code ? *code : 77;
                         }).value();
        REQUIRE(ready.hears(true));
        if (const auto refused = caller.wait(milliseconds(50)); refused && refused->code == 77) {
            WARN("skipped: unprivileged user namespaces are not allowed here");
            continue;
        }
        gone.write.close();

        caller.signal(SIGKILL);

        INFO("root: " << root);
        CHECK(gone.hears(false));
    }
}

TEST_CASE("a caller killed while the sandbox is being made leaves nothing") {
    NEEDS_SANDBOX();
    for (int delay_us = 0; delay_us < 4000; delay_us += 200) {
        Pipe gone;
        Process caller =
            Process::fork([&] { return run_in_sandbox(wait_for_ever).value_or(1); }).value();
        gone.write.close();
        (void)caller.wait(microseconds(delay_us));

        caller.signal(SIGKILL);

        INFO("killed after " << delay_us << " us");
        CHECK(gone.hears(false));
    }
}

TEST_CASE("an ordinary user has sandboxes too, where the kernel allows it") {
    if (::geteuid() != 0) return;  // then every other case here shows it
    const ino_t outside = netns_inode();
    Process user = Process::fork([&] {
                       if (!become_nobody()) return 70;
                       const auto code = run_in_sandbox([&] { return look_around(outside); });
                       if (!code) return code.error().kind == ErrorKind::unsupported ? 77 : 71;
                       return *code;
                   }).value();

    const auto status = user.wait(seconds(20));

    REQUIRE(status);
    if (status->code == 77) {
        WARN("skipped: unprivileged user namespaces are not allowed here");
        return;
    }
    CHECK(status->code == 0);
}

TEST_CASE("a namespace is entered for a scope, and sockets made there stay there") {
    const auto made = Netns::create();
    if (!made) {
        WARN("skipped: " << made.error().what);
        return;
    }
    const ino_t outside = netns_inode();
    ino_t inside = 0;
    {
        const NetnsScope scope(*made);
        struct stat status{};
        REQUIRE(::stat("/proc/thread-self/ns/net", &status) == 0);
        inside = status.st_ino;
        CHECK(::if_nametoindex("lo") == 1);
    }
    CHECK(inside != outside);
    CHECK(netns_inode() == outside);

    const Netns again = made->duplicate().value();
    CHECK(again.fd() != made->fd());
    Process process =
        Process::fork([&] { return netns_inode() == inside ? 0 : 1; }, &again).value();
    REQUIRE(process.wait(seconds(20)));
    CHECK(process.status()->code == 0);
}
