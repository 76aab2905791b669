#include "real/vm/uml_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>

namespace overlab::real {
namespace {

constexpr int look_every_ms = 200;

}  // namespace

Result<Fd> take_uml_lock(const std::filesystem::path& cache, const std::function<bool()>& go_on) {
    const std::filesystem::path path = cache / "uml.lock";
    // NOLINTNEXTLINE(android-cloexec-open): children are to inherit it.
    Fd lock(::open(path.c_str(), O_RDWR | O_CREAT, 0600));
    if (!lock.valid()) {
        const int code = errno;
        return fail(ErrorKind::unavailable,
                    fmt::format("{}: {}", path.string(), std::strerror(code)), code);
    }
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (!go_on())
            return fail(ErrorKind::already_exists,
                        fmt::format("{}: somebody is building a kernel there", cache.string()));
        (void)::poll(nullptr, 0, look_every_ms);  // Only waits; a signal makes it shorter.
    }
    return lock;
}

}  // namespace overlab::real
