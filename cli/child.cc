#include "cli/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include "models/base/check.h"
#include "results/report_codec.h"

namespace overlab::cli {
namespace {

/// Writes all of it; false if the parent is gone.
bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

std::string error_line(const Error& error) {
    std::string what = error.what;
    for (char& c : what) {
        if (c == '\n') c = ' ';
    }
    return fmt::format("e {} {} {}\n", static_cast<int>(error.kind), error.os_errno, what);
}

/// In the child: runs the job and writes what came of it.
bool run_and_tell(const Job& job, const Runner& runner, int fd) {
    sim::RunOptions options = job.options;
    // A line for every half percent is plenty.
    options.progress = [fd, last = std::int64_t{-1}](std::int64_t now_ns,
                                                     std::int64_t end_ns) mutable {
        const std::int64_t step = end_ns <= 0 ? 0 : now_ns / (end_ns / 200 + 1);
        // A parent that is gone ends this process by itself (PR_SET_PDEATHSIG).
        if (step != std::exchange(last, step))
            (void)write_all(fd, fmt::format("p {} {}\n", now_ns, end_ns));
    };
    try {
        const auto report = runner(job.scenario, options);
        if (!report) return write_all(fd, error_line(report.error()));
        return write_all(fd, fmt::format("r {}\n", encode_report(*report)));
    } catch (const std::exception& problem) {
        const std::string what = fmt::format("the run stopped: {}", problem.what());
        return write_all(fd,
                         error_line({.kind = ErrorKind::unavailable, .what = what, .os_errno = 0}));
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

template <typename T>
bool take_number(std::string_view& text, T& value) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return true;
}

}  // namespace

Child::Child(pid_t pid, real::Fd pipe, std::string name)
    : pid_(pid), pipe_(std::move(pipe)), name_(std::move(name)) {}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pipe_(std::move(other.pipe_)),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      fraction_(other.fraction_),
      said_(std::move(other.said_)) {}

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
            buffer_.append(block.data(), static_cast<std::size_t>(count));
            continue;
        }
        take_lines();
        if (count < 0 && errno == EINTR) continue;
        return !(count < 0 && errno == EAGAIN);
    }
}

void Child::take_lines() {
    std::size_t begin = 0;
    for (std::size_t end = buffer_.find('\n'); end != std::string::npos;
         end = buffer_.find('\n', begin)) {
        take_line(std::string_view(buffer_).substr(begin, end - begin));
        begin = end + 1;
    }
    buffer_.erase(0, begin);
}

void Child::take_line(std::string_view line) {
    CHECK(line.size() >= 2);
    const char what = line.front();
    line.remove_prefix(2);
    if (what == 'p') {
        std::int64_t now_ns = 0;
        std::int64_t end_ns = 0;
        CHECK(take_number(line, now_ns) && take_number(line, end_ns));
        fraction_ = end_ns <= 0 ? 0 : static_cast<double>(now_ns) / static_cast<double>(end_ns);
    } else if (what == 'r') {
        said_ = decode_report(line);
    } else {
        CHECK(what == 'e');
        int kind = 0;
        int os_errno = 0;
        CHECK(take_number(line, kind) && take_number(line, os_errno));
        said_ = fail(static_cast<ErrorKind>(kind), std::string(line), os_errno);
    }
}

Result<RunReport> Child::outcome() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) CHECK(errno == EINTR);
    pid_ = -1;
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (said_ && *said_ && clean) return std::move(*said_);
    Error error{.kind = ErrorKind::unavailable, .what = {}, .os_errno = 0};
    if (said_ && !*said_) {
        error = said_->error();
    } else {
        error.what = death_text(status);
    }
    error.what = fmt::format("{}: {}", name_, error.what);
    return std::unexpected(std::move(error));
}

}  // namespace overlab::cli
