#include "real/base/netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "models/base/check.h"

namespace overlab::real {
namespace {

Fd open_current() { return Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

Result<Netns> no_namespace(const char* call) {
    const int code = errno;
    if (code == EPERM) {
        return fail(ErrorKind::unsupported,
                    "network namespaces: this process may not make one; run as root, or allow "
                    "unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
                    code);
    }
    return fail(ErrorKind::unavailable, fmt::format("{}: {}", call, std::strerror(code)), code);
}

/// In the current namespace.
bool raise_loopback() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    return socket.valid() && ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

}  // namespace

Result<Netns> Netns::current() {
    Fd fd = open_current();
    if (!fd.valid()) return no_namespace("/proc/thread-self/ns/net");
    return Netns(std::move(fd));
}

Result<Netns> Netns::create() {
    OVERLAB_TRY(const Netns home, current());
    if (::unshare(CLONE_NEWNET) != 0) return no_namespace("unshare(CLONE_NEWNET)");
    auto made = raise_loopback() ? current() : no_namespace("interface lo");
    CHECK(::setns(home.fd(), CLONE_NEWNET) == 0);
    return made;
}

Result<Netns> Netns::duplicate() const {
    Fd copy(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return no_namespace("fcntl(F_DUPFD_CLOEXEC)");
    return Netns(std::move(copy));
}

NetnsScope::NetnsScope(const Netns& there) : back_(open_current()) {
    // A program that acts in the wrong namespace could touch the machine's own network.
    CHECK(back_.valid());
    CHECK(::setns(there.fd(), CLONE_NEWNET) == 0);
}

NetnsScope::~NetnsScope() { CHECK(::setns(back_.get(), CLONE_NEWNET) == 0); }

}  // namespace overlab::real
