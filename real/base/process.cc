#include "real/base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

extern "C" {  // glibc 2.36 forgot to say so itself.
#include <sys/pidfd.h>
}

#include "models/base/check.h"

namespace overlab::real {
namespace {

constexpr std::size_t output_limit = 4 << 20;

/// Where Debian has the programs we start: for messages.
const std::map<std::string, std::string> packages{
    {"etcd", "etcd-server"},
    {"iperf3", "iperf3"},
    {"charon-systemd", "charon-systemd"},
    {"linux.uml", "user-mode-linux"},
    {"tshark", "tshark"},
    {"busybox", "busybox-static"},
    {"qemu-system-x86_64", "qemu-system-x86"},
};

std::unexpected<Error> os_failure(const std::string& what) {
    const int code = errno;
    return fail(ErrorKind::unavailable, fmt::format("{}: {}", what, std::strerror(code)), code);
}

Duration to_duration(const timeval& time) {
    return seconds(time.tv_sec) + microseconds(time.tv_usec);
}

/// In a fresh child, signals held: it must not outlive us, and starts with a clean signal state:
/// our handlers would act on what we share, pipes for one. False: our parent is gone already.
bool settle_child(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // In a new process namespace the parent's number reads as 0.
    const pid_t now = ::getppid();
    return now == parent || now == 0;
}

/// Forks into `netns`; the child goes on with `body` and never returns.
Result<std::pair<pid_t, Fd>> fork_child(const Netns* netns, const std::function<int()>& body) {
    std::fflush(nullptr);  // Else the child would print what we have buffered once more.
    const pid_t parent = ::getpid();
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // A child must not take one before it settles.
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (!settle_child(parent)) ::_exit(1);
        if (netns != nullptr && ::setns(netns->fd(), CLONE_NEWNET) != 0) ::_exit(1);
        const int code = body();
        std::fflush(nullptr);
        ::_exit(code);
    }
    const int failed = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = failed;
    if (pid < 0) return os_failure("fork");
    Fd pidfd(::pidfd_open(pid, 0));
    if (!pidfd.valid()) {
        auto failure = os_failure("pidfd_open");
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return failure;
    }
    return std::pair(pid, std::move(pidfd));
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& extra) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (!extra.contains(std::string(text.substr(0, text.find('='))))) all.emplace_back(text);
    }
    for (const auto& [name, value] : extra) all.push_back(fmt::format("{}={}", name, value));
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

Fd open_sink(const std::filesystem::path& path) {
    if (path.empty()) return Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    return Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

/// What a child executes: prepared before the fork, because a child should do little.
struct Image {
    std::string program;
    std::vector<std::string> argv, env;
    Fd input, output, error;
};

int execute(Image& image) {
    ::dup2(image.input.get(), STDIN_FILENO);
    ::dup2(image.output.get(), STDOUT_FILENO);
    ::dup2(image.error.valid() ? image.error.get() : image.output.get(), STDERR_FILENO);
    std::vector<char*> argv = pointers(image.argv);
    std::vector<char*> env = pointers(image.env);
    ::execve(image.program.c_str(), argv.data(), env.data());
    return 127;
}

Result<Image> make_image(const Command& command) {
    CHECK(!command.argv.empty());
    const std::string& name = command.argv.front();
    const std::filesystem::path program =
        name.contains('/') ? std::filesystem::path(name) : find_program(name);
    if (program.empty()) {
        const auto package = packages.find(name);
        return fail(ErrorKind::not_found,
                    fmt::format("{}: not installed; apt-get install {}", name,
                                package == packages.end() ? name : package->second));
    }
    Image image{.program = program,
                .argv = command.argv,
                .env = environment_with(command.env),
                .input = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
                .output = open_sink(command.output),
                .error = {}};
    if (!command.error.empty()) image.error = open_sink(command.error);
    if (!image.output.valid()) return os_failure(command.output.string());
    if (!command.error.empty() && !image.error.valid()) return os_failure(command.error.string());
    return image;
}

std::string last_line(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    return std::string(text.substr(text.rfind('\n') + 1));
}

}  // namespace

std::string ExitStatus::to_string() const {
    const char* const name = signal == 0 ? nullptr : ::sigabbrev_np(signal);
    if (name != nullptr) return fmt::format("SIG{}", name);
    if (signal != 0) return fmt::format("signal {}", signal);  // real-time ones have no name
    return fmt::format("exit code {}", code);
}

std::filesystem::path find_program(const std::string& name) {
    std::string_view rest = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    std::string path;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (text.starts_with("PATH=")) path = text.substr(5);
    }
    // An ordinary user's PATH has no sbin; what we look for is there all the same.
    path = fmt::format("{}:{}", path, rest);
    rest = path;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(':'), rest.size());
        const std::filesystem::path candidate = std::filesystem::path(rest.substr(0, end)) / name;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return {};
}

Result<Process> Process::start(const Command& command) {
    OVERLAB_TRY(Image image, make_image(command));
    OVERLAB_TRY(auto child, fork_child(command.netns, [&image] { return execute(image); }));
    return Process(child.first, std::move(child.second));
}

Result<Process> Process::fork(const std::function<int()>& body, const Netns* netns) {
    OVERLAB_TRY(auto child, fork_child(netns, body));
    return Process(child.first, std::move(child.second));
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      watch_(std::move(other.watch_)),
      status_(other.status_) {
    // A callback would still point at the other one.
    CHECK(!other.notified_);
}

Process& Process::operator=(Process&& other) noexcept {
    if (this == &other) return *this;
    CHECK(!notified_ && !other.notified_);
    end();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
    watch_ = std::move(other.watch_);
    status_ = other.status_;
    return *this;
}

Process::~Process() { end(); }

void Process::end() {
    if (pid_ <= 0 || status_) return;
    ::kill(pid_, SIGKILL);
    reap();
}

void Process::reap() {
    int status = 0;
    rusage usage{};
    while (::wait4(pid_, &status, 0, &usage) < 0) CHECK(errno == EINTR);
    ExitStatus ended{.user_time = to_duration(usage.ru_utime),
                     .system_time = to_duration(usage.ru_stime)};
    if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
    ended.code = ended.signal != 0 ? 128 + ended.signal : WEXITSTATUS(status);
    status_ = ended;
}

void Process::on_exit(EventLoop& loop, std::function<void(const ExitStatus&)> ended) {
    notified_ = true;
    // A pidfd stays readable once its process is over, reaped or not.
    watch_ = loop.watch(pidfd_.get(), EventLoop::Interest::read,
                        [this, ended = std::move(ended)]() mutable {
                            if (!status_) reap();
                            const auto call = std::move(ended);
                            const ExitStatus status = *status_;
                            watch_ = {};
                            call(status);
                        });
}

std::optional<ExitStatus> Process::wait(Duration limit) {
    if (status_) return status_;
    const std::int64_t deadline = EventLoop::monotonic_ns() + limit.ns;
    for (;;) {
        const std::int64_t left_ms =
            std::max<std::int64_t>(0, (deadline - EventLoop::monotonic_ns() + 999'999) / 1'000'000);
        pollfd ready{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
        const int count =
            ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left_ms, 1000)));
        if (count > 0) break;
        if (left_ms == 0) return std::nullopt;
    }
    reap();
    return status_;
}

void Process::signal(int number) const {
    if (status_) return;
    CHECK(pid_ > 0);  // kill(-1) would reach every process there is.
    ::kill(pid_, number);
}

ExitStatus Process::stop(Duration grace) {
    signal(SIGTERM);
    if (!wait(grace)) {
        signal(SIGKILL);
        if (!status_) reap();
    }
    return *status_;
}

Result<std::string> output_of(const Command& command, Duration limit) {
    OVERLAB_TRY(Image image, make_image(command));
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return os_failure("pipe");
    const Fd from(ends[0]);
    image.output = Fd(ends[1]);
    if (command.error.empty()) image.error = Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    OVERLAB_TRY(Process process, Process::fork([&] { return execute(image); }, command.netns));
    image.output.close();
    CHECK(::fcntl(from.get(), F_SETFL, O_NONBLOCK) == 0);
    const std::int64_t deadline = EventLoop::monotonic_ns() + limit.ns;
    std::string text;
    for (std::array<char, 65536> block{};;) {
        const ssize_t count = ::read(from.get(), block.data(), block.size());
        if (count > 0 && text.size() < output_limit)
            text.append(block.data(), static_cast<std::size_t>(count));
        if (count == 0) break;
        if (count > 0 || errno == EINTR) continue;
        const std::int64_t left_ms = (deadline - EventLoop::monotonic_ns()) / 1'000'000;
        pollfd ready{.fd = from.get(), .events = POLLIN, .revents = 0};
        if (left_ms <= 0 || ::poll(&ready, 1, static_cast<int>(left_ms)) == 0) {
            return fail(ErrorKind::unavailable,
                        fmt::format("{}: no end within {} s", command.argv.front(),
                                    limit.ns / 1'000'000'000));
        }
    }
    const auto status = process.wait(limit);
    if (status && status->clean()) return text;
    return fail(ErrorKind::unavailable,
                fmt::format("{}: {}: {}", command.argv.front(),
                            status ? status->to_string() : "no end", last_line(text)));
}

}  // namespace overlab::real
