#include "real/vm/guest_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "real/base/event_loop.h"
#include "real/base/fd.h"
#include "real/base/process.h"

namespace overlab::real {
namespace {

constexpr std::size_t console_limit = 16 << 10;
/// Room for what a guest prints while we do not look; the kernel's usual limit for a user.
constexpr int pipe_bytes = 1 << 20;
constexpr int cannot_start = 127;
/// From the order to end until we give up on seeing the end.
constexpr Duration patience = seconds(10);

std::unexpected<Error> os_failure(const char* what) {
    const int code = errno;
    return fail(ErrorKind::unavailable, fmt::format("guest: {}: {}", what, std::strerror(code)),
                code);
}

struct Pipe {
    Fd from, to;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return os_failure("pipe");
    (void)::fcntl(ends[1], F_SETPIPE_SZ, pipe_bytes);  // A smaller one works too.
    return Pipe{.from = Fd(ends[0]), .to = Fd(ends[1])};
}

sigset_t set_of(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : signals) sigaddset(&set, number);
    return set;
}

/// Waits for `child`; calls `end_it` when asked to stop, by SIGTERM or by our parent's death.
int supervise(pid_t child, const std::function<void()>& end_it) {
    const sigset_t signals = set_of({SIGTERM, SIGCHLD});
    for (;;) {
        int status = 0;
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (ended < 0) return cannot_start;
        int number = 0;
        if (::sigwait(&signals, &number) == 0 && number == SIGTERM) end_it();
    }
}

/// In a fresh child. False: the parent is gone already.
bool settle(int death_signal, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, death_signal);
    const pid_t now = ::getppid();
    return now == parent || now == 0;  // 0: the parent is outside our process namespace.
}

struct Ends {
    Fd output, console;
};

/// What a program would else get of the machine before its first instruction.
void pin_process() {
    ::clearenv();
    if (::personality(ADDR_NO_RANDOMIZE) >= 0) return;
    ::dprintf(STDERR_FILENO, "personality(ADDR_NO_RANDOMIZE): %s; virtual time needs it\n",
              std::strerror(errno));
    ::_exit(cannot_start);
}

[[noreturn]] void become_engine(const GuestBoot& boot, const Ends& ends) {
    const sigset_t none = set_of({});
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // A guest's panic ends in abort(), and its core is as large as its memory.
    const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    // A file that is open in the guest through hostfs or 9p is open here too.
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    // First out of the way of the numbers that they are to get.
    const int output = ::fcntl(ends.output.get(), F_DUPFD, 10);
    const int console = ::fcntl(ends.console.get(), F_DUPFD, 10);
    const int input = ::open("/dev/null", O_RDONLY);
    ::dup2(input, STDIN_FILENO);
    ::dup2(console, STDOUT_FILENO);
    ::dup2(console, STDERR_FILENO);
    ::dup2(output, 3);
    ::close_range(4, ~0U, 0);
    if (boot.pinned) pin_process();
    if (::chdir(boot.folder.c_str()) != 0) {
        ::dprintf(STDERR_FILENO, "%s: %s\n", boot.folder.c_str(), std::strerror(errno));
        ::_exit(cannot_start);
    }
    for (const auto& [name, value] : boot.env) ::setenv(name.c_str(), value.c_str(), 1);
    std::vector<std::string> words = boot.argv;
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::dprintf(STDERR_FILENO, "%s: %s\n", argv[0], std::strerror(errno));
    ::_exit(cannot_start);
}

int warden(const GuestBoot& boot, Ends& ends, pid_t keeper) {
    if (!settle(SIGTERM, keeper)) return cannot_start;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const pid_t self = ::getpid();
    const pid_t engine = ::fork();
    if (engine < 0) return cannot_start;
    if (engine == 0) {
        ::setsid();  // User-mode Linux does so itself, and does not mind if it is done.
        if (!settle(SIGKILL, self)) ::_exit(cannot_start);
        become_engine(boot, ends);
    }
    ends = {};  // Ours would keep the caller from seeing the end.
    const auto kill_session = [engine] {
        ::kill(engine, SIGKILL);
        ::kill(-engine, SIGKILL);
    };
    const int code = supervise(engine, kill_session);
    kill_session();
    while (::waitpid(-engine, nullptr, 0) > 0) {
    }
    return code;
}

int keeper(const GuestBoot& boot, Ends& ends) {
    ::setsid();  // A terminal's Ctrl-C is for the caller, who tells us.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    const sigset_t signals = set_of({SIGTERM, SIGCHLD});
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGCHLD, SIG_DFL);
    // Without the right to it, the warden alone has to do.
    (void)::unshare(CLONE_NEWPID);
    const pid_t self = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return cannot_start;
    if (child == 0) ::_exit(warden(boot, ends, self));
    ends = {};
    return supervise(child, [child] { ::kill(child, SIGTERM); });
}

/// SIGINT, SIGTERM and SIGHUP come through a descriptor while this lives.
class SignalCatch {
   public:
    SignalCatch() {
        const sigset_t signals = set_of({SIGINT, SIGTERM, SIGHUP});
        ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
        fd_ = Fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    }
    ~SignalCatch() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalCatch(const SignalCatch&) = delete;
    SignalCatch& operator=(const SignalCatch&) = delete;

    [[nodiscard]] int fd() const { return fd_.get(); }
    /// 0: none.
    [[nodiscard]] int take() const {
        signalfd_siginfo info{};
        return ::read(fd_.get(), &info, sizeof info) == sizeof info
                   ? static_cast<int>(info.ssi_signo)
                   : 0;
    }

   private:
    sigset_t before_{};
    Fd fd_;
};

/// Reads once what is there into `sink`; closes at the end of the stream.
void take_from(Fd& from, const std::function<void(std::string_view)>& sink) {
    std::array<char, 65536>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): read fills it
    const ssize_t count = ::read(from.get(), buffer.data(), buffer.size());
    if (count > 0)
        sink(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
    else if (count == 0 || errno != EINTR)
        from.close();
}

/// The console's end: bounded, because a guest in trouble may repeat itself for long.
void keep_last(std::string& kept, std::string_view more) {
    kept += more;
    if (kept.size() > 2 * console_limit) kept.erase(0, kept.size() - console_limit);
}

struct Watched {
    Fd output, console;
    Fd file;  ///< a growing file that is the output; may be invalid
    std::int64_t deadline_ns = 0;
};

/// What has come to a growing file since the last time.
void follow(const Fd& file, const std::function<void(std::string_view)>& sink) {
    std::array<char, 65536>
        buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): read fills it
    for (;;) {
        const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
        if (count <= 0) return;
        sink(std::string_view(buffer.data(), static_cast<std::size_t>(count)));
    }
}

/// Until both streams have ended, which is when no process of the guest is left.
void pump(Watched& guest, const SignalCatch& signals, const Process& process, GuestEnd& end,
          const std::function<void(std::string_view)>& output) {
    const auto is_open = [](const Fd& fd) { return fd.valid() ? fd.get() : -1; };
    bool stopping = false;
    while (guest.output.valid() || guest.console.valid()) {
        const std::int64_t left_ns = guest.deadline_ns - EventLoop::monotonic_ns();
        if (left_ns <= 0 && stopping) return;
        if (!stopping && (left_ns <= 0 || end.signal != 0)) {
            end.over_limit = end.signal == 0;
            process.signal(SIGTERM);
            stopping = true;
            guest.deadline_ns = EventLoop::monotonic_ns() + patience.ns;
            continue;
        }
        std::array<pollfd, 3> ready{{{is_open(guest.output), POLLIN, 0},
                                     {is_open(guest.console), POLLIN, 0},
                                     {signals.fd(), POLLIN, 0}}};
        const std::int64_t longest_ms = guest.file.valid() ? 100 : 1000;
        const auto wait_ms = static_cast<int>(std::min(left_ns / 1'000'000 + 1, longest_ms));
        if (guest.file.valid()) follow(guest.file, output);
        if (::poll(ready.data(), ready.size(), wait_ms) <= 0) continue;
        if (ready[0].revents != 0) take_from(guest.output, output);
        if (ready[1].revents != 0)
            take_from(guest.console,
                      [&end](std::string_view text) { keep_last(end.console, text); });
        if (ready[2].revents != 0 && end.signal == 0) end.signal = signals.take();
    }
}

}  // namespace

Result<GuestEnd> run_guest(const GuestBoot& boot, Duration limit,
                           const std::function<void(std::string_view)>& output) {
    OVERLAB_TRY(Pipe out, make_pipe());
    OVERLAB_TRY(Pipe console, make_pipe());
    Ends ends{.output = std::move(out.to), .console = std::move(console.to)};
    Fd file;
    if (!boot.output_file.empty()) {
        file = Fd(::open(boot.output_file.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
        if (!file.valid()) return os_failure(boot.output_file.c_str());
    }
    const SignalCatch signals;
    OVERLAB_TRY(Process process, Process::fork([&] { return keeper(boot, ends); }));
    ends = {};
    Watched guest{.output = std::move(out.from),
                  .console = std::move(console.from),
                  .file = std::move(file),
                  .deadline_ns = EventLoop::monotonic_ns() + limit.ns};
    GuestEnd end;
    pump(guest, signals, process, end, output);
    if (guest.file.valid()) follow(guest.file, output);
    const std::optional<ExitStatus> status = process.wait(patience);
    if (status) end.code = status->code;
    if (end.console.size() > console_limit)
        end.console.erase(0, end.console.size() - console_limit);
    return end;
}

}  // namespace overlab::real
