// GuestKernel: what QEMU boots: a stock Linux kernel and an initramfs with busybox and the modules
// that a guest needs. Made once from a kernel package and kept in the user's cache: from the
// machine's own (/boot, /lib/modules), or from one that is downloaded when the user asks for it,
// without installing it.
//
// The kernel must have 9p as a module: Debian's generic kernels do, its cloud kernels do not.
#pragma once

#include <filesystem>
#include <string>

#include "models/base/error.h"

namespace overlab::real {

struct GuestKernel {
    std::filesystem::path image;      ///< an ELF that boots through PVH, or a bzImage
    std::filesystem::path initramfs;  ///< cpio, not compressed: unpacking is slow under TCG
    std::string version;              ///< `6.1.0-50-amd64`
};

/// What to do where find_guest_kernel() finds none.
inline constexpr const char* kernel_remedy =
    "`overlab doctor --fetch-kernel` downloads linux-image-amd64 into ~/.cache/overlab without "
    "installing it; or apt-get install linux-image-amd64";

/// The one in `cache`, else made there from the machine's own (takes seconds). Errors: not_found
/// (no kernel), unavailable (making it failed).
[[nodiscard]] Result<GuestKernel> find_guest_kernel(const std::filesystem::path& cache);

/// Downloads Debian's linux-image-amd64 (70 MB) with apt-get and makes the guest kernel in `cache`
/// (100 MB), replacing what is there. Needs no root. Errors: not_found (no apt-get, dpkg-deb or
/// busybox), unavailable (no network; with the last line of what failed).
[[nodiscard]] Result<GuestKernel> fetch_guest_kernel(const std::filesystem::path& cache);

}  // namespace overlab::real
