// UmlKernel: User-mode Linux with our own configuration (uml.config), built once from Debian's
// kernel source by build_uml_kernel() and kept in the user's cache:
//
//   uml-DIGEST/linux        the kernel, stripped; beside it its config and about.json
//   uml-DIGEST.work/        source tree, objects, build.log: while it is being built, or if that
//                           was interrupted
//   uml.lock                held by whoever builds or cleans
//
// DIGEST is of what decides what the kernel does: the version of the source and the configuration.
// The compiler is not part of it, on purpose: in virtual time the processor's work takes no time,
// so the same source built by another compiler gives the same run, and a cache made before an
// update of the compiler stays good. about.json says which compiler it was.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"

namespace overlab::real {

struct UmlKernel {
    std::filesystem::path path;
    std::string version;     ///< of the source: `6.1.192-2` as Debian's package, or `6.1.192`
    std::string digest;      ///< 16 hexadecimal digits
    std::string built_with;  ///< the compiler's first line

    friend bool operator==(const UmlKernel&, const UmlKernel&) = default;
};

/// What to do where find_uml_kernel() finds none.
inline constexpr const char* uml_kernel_remedy =
    "`overlab kernel build` builds it once (about 4 minutes on 2 cores)";

/// The configuration fragment that this program was compiled with.
[[nodiscard]] std::string_view uml_config();

/// Comments and the order of lines make no difference.
[[nodiscard]] std::string uml_digest(std::string_view version, std::string_view config);

/// Options that the fragment asks for and a kernel's .config does not have so: `CONFIG_VETH=y`.
/// Kconfig drops silently what depends on something that is off.
[[nodiscard]] std::vector<std::string> options_not_taken(std::string_view fragment,
                                                         std::string_view config);

/// The newest in `cache` that has this program's configuration. Builds nothing. Errors: not_found.
[[nodiscard]] Result<UmlKernel> find_uml_kernel(const std::filesystem::path& cache);

/// The kernel of this digest. Errors: not_found (none, or what is there is not whole).
[[nodiscard]] Result<UmlKernel> uml_kernel_at(const std::filesystem::path& cache,
                                              std::string_view digest);

/// Folders of the cache.
[[nodiscard]] std::filesystem::path uml_folder(const std::filesystem::path& cache,
                                               std::string_view digest);
[[nodiscard]] std::filesystem::path uml_work_folder(const std::filesystem::path& cache,
                                                    std::string_view digest);

struct CachedFolder {
    std::filesystem::path path;
    std::uint64_t bytes = 0;  ///< what its files take on the disk
};

/// All kernels and work folders, of any version and configuration, by name.
[[nodiscard]] std::vector<CachedFolder> uml_folders(const std::filesystem::path& cache);

/// Removes them all and answers what it removed. Errors: already_exists (somebody is building),
/// unavailable (something cannot be removed).
[[nodiscard]] Result<std::vector<CachedFolder>> clean_uml_kernels(
    const std::filesystem::path& cache);

}  // namespace overlab::real
