#include "real/base/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "real/base/fd.h"

namespace overlab::real {
namespace {

constexpr int set_up_failed = 125;

/// What a child says through the pipe if it could not get ready; silence means that it went well.
struct SetUpFailure {
    int code = 0;  ///< errno
    enum class Step : int { namespaces, user_map, mount_proc, mount_run } step = Step::namespaces;
};

const char* to_string(SetUpFailure::Step step) {
    switch (step) {
        case SetUpFailure::Step::namespaces:
            return "namespaces";
        case SetUpFailure::Step::user_map:
            return "/proc/self/uid_map";
        case SetUpFailure::Step::mount_proc:
            return "mount /proc";
        case SetUpFailure::Step::mount_run:
            return "mount /run";
    }
    return "";
}

std::unexpected<Error> no_sandbox(const char* call, int code) {
    if (code == EPERM || code == EACCES || code == ENOSPC || code == EUSERS) {
        return fail(
            ErrorKind::unsupported,
            std::string(call) +
                ": this process may not make namespaces; run as root, or allow unprivileged user "
                "namespaces (sysctl -w kernel.unprivileged_userns_clone=1 "
                "user.max_user_namespaces=1000)",
            code);
    }
    return fail(ErrorKind::unavailable, fmt::format("{}: {}", call, std::strerror(code)), code);
}

bool write_file(const char* path, std::string_view text) {
    const Fd file(::open(path, O_WRONLY | O_CLOEXEC));
    return file.valid() &&
           ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

/// Root inside is the calling user outside.
bool map_user(uid_t uid, gid_t gid) {
    return write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", fmt::format("0 {} 1", uid)) &&
           write_file("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

[[noreturn]] void give_up(int error_pipe, SetUpFailure::Step step) {
    const SetUpFailure failure{.code = errno, .step = step};
    (void)!::write(error_pipe, &failure, sizeof failure);  // The exit code says it failed, too.
    ::_exit(set_up_failed);
}

/// Where processes of ours leave pid files and sockets, and what they read of the kernel.
void mount_private_places(int error_pipe) {
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        give_up(error_pipe, SetUpFailure::Step::mount_proc);
    }
    if (::mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0) {
        give_up(error_pipe, SetUpFailure::Step::mount_run);
    }
}

/// `alive`: the read end of a pipe whose write end only the parent has.
[[noreturn]] void first_process(const std::function<int()>& body, int error_pipe, int alive) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // A parent that died before the line above sends no signal; and its number reads as 0 here,
    // dead or alive. Its end of the pipe tells.
    pollfd parent{.fd = alive, .events = POLLIN, .revents = 0};
    if (::poll(&parent, 1, 0) != 0) ::_exit(set_up_failed);
    // The kernel spares a first process signals that it did not ask for, SIGABRT of abort() too,
    // which would then end in a misleading SIGSEGV.
    ::signal(SIGABRT, [](int) { ::_exit(128 + SIGABRT); });
    mount_private_places(error_pipe);
    ::close(error_pipe);
    const int code = body();
    std::fflush(nullptr);
    ::_exit(code);
}

int code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return code_of(status);
}

/// The process between: makes the namespaces, then the first process of them, and waits for it. A
/// process cannot enter a new process namespace itself, only its children can.
[[noreturn]] void middle_process(const std::function<int()>& body, pid_t parent, int error_pipe) {
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    const int user = uid == 0 ? 0 : CLONE_NEWUSER;
    if (::unshare(user | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) != 0)
        give_up(error_pipe, SetUpFailure::Step::namespaces);
    if (user != 0 && !map_user(uid, gid)) give_up(error_pipe, SetUpFailure::Step::user_map);
    // After the change of credentials, which may clear it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(set_up_failed);
    std::array<int, 2> alive{};
    if (::pipe2(alive.data(), O_CLOEXEC) != 0) give_up(error_pipe, SetUpFailure::Step::namespaces);
    const pid_t pid = ::fork();
    if (pid < 0) give_up(error_pipe, SetUpFailure::Step::namespaces);
    if (pid == 0) {
        ::close(alive[1]);
        first_process(body, error_pipe, alive[0]);
    }
    ::close(error_pipe);
    ::_exit(wait_for(pid));
}

}  // namespace

Result<int> run_in_sandbox(const std::function<int()>& body) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return no_sandbox("pipe", errno);
    const Fd from(ends[0]);
    Fd to(ends[1]);
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return no_sandbox("fork", errno);
    if (pid == 0) middle_process(body, parent, to.get());
    to.close();
    SetUpFailure failure;
    if (::read(from.get(), &failure, sizeof failure) == sizeof failure) {
        (void)wait_for(pid);
        return no_sandbox(to_string(failure.step), failure.code);
    }
    return wait_for(pid);
}

}  // namespace overlab::real
