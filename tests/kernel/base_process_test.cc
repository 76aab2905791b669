// Processes end when and how they should, and never outlive who started them.
#include "real/base/process.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;

namespace {

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Blocks until every holder of the pipe's other end is gone.
class AllGone {
   public:
    AllGone() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        read_ = Fd(ends[0]);
        write_ = Fd(ends[1]);
    }
    void close_ours() { write_.close(); }
    [[nodiscard]] bool within(Duration limit) {
        EventLoop loop;
        bool gone = false;
        const auto watch = loop.watch(read_.get(), EventLoop::Interest::read, [&] {
            char byte = 0;
            gone = ::read(read_.get(), &byte, 1) == 0;
        });
        return loop.run_until([&] { return gone; }, limit);
    }
    void tell() const { (void)!::write(write_.get(), "x", 1); }
    void await() const {
        char byte = 0;
        REQUIRE(::read(read_.get(), &byte, 1) == 1);
    }

   private:
    Fd read_, write_;
};

int wait_for_ever() {
    for (;;) ::pause();
}

}  // namespace

TEST_CASE("a program's output and exit code come back") {
    const test::TempFolder folder;
    Process process =
        Process::start({.argv = {"sh", "-c", "echo out $GREETING; echo err >&2; exit 3"},
                        .env = {{"GREETING", "hello"}},
                        .output = folder.path() / "out",
                        .error = folder.path() / "err"})
            .value();

    const auto status = process.wait(seconds(20));

    REQUIRE(status);
    CHECK(status->code == 3);
    CHECK(status->signal == 0);
    CHECK(status->to_string() == "exit code 3");
    CHECK(text_of(folder.path() / "out") == "out hello\n");
    CHECK(text_of(folder.path() / "err") == "err\n");
}

TEST_CASE("without a file of their own, errors go where the output goes") {
    const test::TempFolder folder;
    Process process = Process::start({.argv = {"sh", "-c", "echo one; echo two >&2"},
                                      .env = {},
                                      .output = folder.path() / "log",
                                      .error = {}})
                          .value();

    REQUIRE(process.wait(seconds(20)));

    CHECK(text_of(folder.path() / "log") == "one\ntwo\n");
}

TEST_CASE("a program that is not there is named, with the package that has it") {
    const auto missing = Process::start({.argv = {"no-such-program"}, .env = {}});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().kind == ErrorKind::not_found);
    CHECK(missing.error().what ==
          "no-such-program: not installed; apt-get install no-such-program");
    CHECK(find_program("no-such-program").empty());
    CHECK(find_program("sh").filename() == "sh");
}

TEST_CASE("an output file that cannot be made is an error, not a silent loss") {
    const auto failed = Process::start(
        {.argv = {"sh", "-c", "true"}, .env = {}, .output = "/nowhere/at/all", .error = {}});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().kind == ErrorKind::unavailable);
    CHECK(failed.error().what == "/nowhere/at/all: No such file or directory");
}

TEST_CASE("a forked function's answer is the exit code, a signal 128 more") {
    Process answers = Process::fork([] { return 42; }).value();
    REQUIRE(answers.wait(seconds(20)));
    CHECK(answers.status()->code == 42);
    CHECK_FALSE(answers.status()->clean());

    Process killed = Process::fork(wait_for_ever).value();
    CHECK_FALSE(killed.wait(milliseconds(1)));
    killed.signal(SIGKILL);
    REQUIRE(killed.wait(seconds(20)));
    CHECK(killed.status()->code == 128 + SIGKILL);
    CHECK(killed.status()->to_string() == "SIGKILL");
    killed.signal(SIGTERM);  // over already: reaches nobody

    Process real_time = Process::fork(wait_for_ever).value();
    real_time.signal(SIGRTMIN + 3);
    REQUIRE(real_time.wait(seconds(20)));
    CHECK(real_time.status()->to_string().starts_with("signal "));
}

TEST_CASE("the loop is told of an end, before or after it happened") {
    EventLoop loop;
    Process process = Process::fork([] { return 7; }).value();
    std::optional<int> first;
    process.on_exit(loop, [&](const ExitStatus& status) { first = status.code; });
    REQUIRE(loop.run_until([&] { return first.has_value(); }, seconds(20)));
    CHECK(first == 7);

    Process over = Process::fork([] { return 8; }).value();
    REQUIRE(over.wait(seconds(20)));
    std::optional<int> second;
    over.on_exit(loop, [&](const ExitStatus& status) { second = status.code; });
    REQUIRE(loop.run_until([&] { return second.has_value(); }, seconds(20)));
    CHECK(second == 8);
}

TEST_CASE("stop() asks first, and insists after the grace") {
    Process polite = Process::fork(wait_for_ever).value();
    CHECK(polite.stop().signal == SIGTERM);
    CHECK(polite.stop().signal == SIGTERM);

    AllGone ready;
    Process stubborn = Process::fork([&] {
                           ::signal(SIGTERM, SIG_IGN);
                           ready.tell();
                           return wait_for_ever();
                       }).value();
    ready.await();
    CHECK(stubborn.stop(milliseconds(20)).signal == SIGKILL);
}

TEST_CASE("a process goes with its handle") {
    AllGone gone;
    {
        const Process process = Process::fork(wait_for_ever).value();
        gone.close_ours();
    }
    CHECK(gone.within(seconds(20)));
}

TEST_CASE("a process goes with its parent, however that ends") {
    AllGone gone;
    AllGone ready;
    Process parent = Process::fork([&] {
                         const Process child = Process::fork([&] {
                                                   ready.tell();
                                                   return wait_for_ever();
                                               }).value();
                         return wait_for_ever();
                     }).value();
    ready.await();
    gone.close_ours();

    parent.signal(SIGKILL);

    CHECK(gone.within(seconds(20)));
}

TEST_CASE("what a program prints is read whole, within limits of time") {
    const auto lines = output_of({.argv = {"sh", "-c", "seq 1 50000"}, .env = {}}, seconds(60));
    REQUIRE(lines);
    CHECK(lines->ends_with("49999\n50000\n"));
    CHECK(lines->size() == 288'894);

    const auto failed =
        output_of({.argv = {"sh", "-c", "echo first; echo last; exit 4"}, .env = {}});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().what == "sh: exit code 4: last");

    const auto slow = output_of({.argv = {"sh", "-c", "sleep 1000"}, .env = {}}, milliseconds(30));
    REQUIRE_FALSE(slow);
    CHECK(slow.error().kind == ErrorKind::unavailable);
}
