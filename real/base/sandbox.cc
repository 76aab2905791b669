#include "real/base/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
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

std::unexpected<Error> no_sandbox(const char* call, int code) {
    if (code == EPERM || code == ENOSPC || code == EUSERS) {
        return fail(ErrorKind::unsupported,
                    "this process may not make namespaces; run as root, or allow unprivileged user "
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

/// Where processes of ours leave pid files and sockets, and what they read of the kernel.
bool mount_private_places() {
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
        return false;
    return ::mount("run", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") == 0;
}

[[noreturn]] void first_process(const std::function<int()>& body) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!mount_private_places()) {
        std::fprintf(stderr, "overlab: sandbox: mount: %s\n", std::strerror(errno));
        ::_exit(set_up_failed);
    }
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
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(set_up_failed);
    const auto give_up = [error_pipe] {
        const int code = errno;
        (void)!::write(error_pipe, &code, sizeof code);  // The exit code says it failed.
        ::_exit(set_up_failed);
    };
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    const int user = uid == 0 ? 0 : CLONE_NEWUSER;
    if (::unshare(user | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) != 0) give_up();
    if (user != 0 && !map_user(uid, gid)) give_up();
    const pid_t pid = ::fork();
    if (pid < 0) give_up();
    if (pid == 0) first_process(body);
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
    // Set-up failures come as an errno; the end of the pipe means that it went well.
    int code = 0;
    if (::read(from.get(), &code, sizeof code) == sizeof code) {
        (void)wait_for(pid);
        return no_sandbox("namespaces", code);
    }
    return wait_for(pid);
}

}  // namespace overlab::real
