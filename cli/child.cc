#include "cli/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <utility>

#include "models/base/check.h"

namespace overlab::cli {
namespace {

/// In the child: runs the job and writes what came of it.
bool run_and_tell(const Job& job, const Runner& runner, int fd) {
    const OutcomeWriter writer(fd);
    RunOptions options = job.options;
    options.progress = writer.progress();
    try {
        return writer.tell(runner(job.scenario, options));
    } catch (const std::exception& problem) {
        return writer.tell(
            fail(ErrorKind::unavailable, fmt::format("the run stopped: {}", problem.what())));
    }
}

[[noreturn]] void child_main(const Job& job, const Runner& runner, int fd, pid_t parent) {
    // However the parent dies, no run is left behind; it may have died before this line.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    // Standard output belongs to the parent's one document.
    ::dup2(STDERR_FILENO, STDOUT_FILENO);
    const bool told = run_and_tell(job, runner, fd);
    std::fflush(nullptr);
    ::_exit(told ? 0 : 1);
}

std::string death_text(int status) {
    if (WIFEXITED(status))
        return fmt::format("the run ended without a result (exit code {})", WEXITSTATUS(status));
    const int signal = WTERMSIG(status);
    std::string text = fmt::format("the run was killed by SIG{} ({})", ::sigabbrev_np(signal),
                                   ::strsignal(signal));
    if (signal == SIGKILL) text += "; the machine may be out of memory: try --jobs 1";
    if (signal == SIGABRT || signal == SIGSEGV)
        text += "; this is a fault in overlab, please report it";
    return text;
}

}  // namespace

Child::Child(pid_t pid, real::Fd pipe, std::string name)
    : pid_(pid), pipe_(std::move(pipe)), name_(std::move(name)) {}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pipe_(std::move(other.pipe_)),
      name_(std::move(other.name_)),
      reader_(std::move(other.reader_)) {}

Child::~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

Result<Child> Child::start(const Job& job, const Runner& runner, const Interrupts& interrupts) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(ErrorKind::unavailable, fmt::format("pipe: {}", std::strerror(errno)), errno);
    }
    real::Fd read_end(ends[0]);
    const real::Fd write_end(ends[1]);
    std::fflush(nullptr);  // Else the child would print what the parent has buffered once more.
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail(ErrorKind::unavailable, fmt::format("fork: {}", std::strerror(errno)), errno);
    if (pid == 0) {
        interrupts.restore_mask();
        child_main(job, runner, write_end.get(), parent);
    }
    CHECK(::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) == 0);
    return Child(pid, std::move(read_end), job.name);
}

bool Child::read() {
    std::array<char, 65536> block{};
    for (;;) {
        const ssize_t count = ::read(pipe_.get(), block.data(), block.size());
        if (count > 0) {
            CHECK(reader_.feed({block.data(), static_cast<std::size_t>(count)}));
            continue;
        }
        if (count < 0 && errno == EINTR) continue;
        return !(count < 0 && errno == EAGAIN);
    }
}

Result<RunReport> Child::outcome() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) CHECK(errno == EINTR);
    pid_ = -1;
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    const auto& told = reader_.told();
    if (told && *told && clean) return *told;
    Error error{.kind = ErrorKind::unavailable, .what = {}, .os_errno = 0};
    if (told && !*told) {
        error = told->error();
    } else {
        error.what = death_text(status);
    }
    error.what = fmt::format("{}: {}", name_, error.what);
    return std::unexpected(std::move(error));
}

}  // namespace overlab::cli
