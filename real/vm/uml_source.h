// UmlSource: the kernel source that User-mode Linux is built from: the tarball of Debian's package
// linux-source-6.1, installed, or downloaded with apt-get without installing it; or one that the
// user names.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"

namespace overlab::real {

struct UmlSource {
    std::string version;            ///< `6.1.192-2` if a package says so, else `6.1.192`
    std::filesystem::path tarball;  ///< .tar.xz; empty: the package is to be downloaded
};

/// `tarball`: one of the user's; empty: Debian's. Asks dpkg and apt (a second), no network. Errors:
/// not_found (no tarball, and apt knows no such package; with the remedy), invalid_argument (no
/// kernel source).
[[nodiscard]] Result<UmlSource> find_uml_source(const std::filesystem::path& tarball);

/// `6.1.192` from a kernel's top Makefile; empty if it says nothing of the kind.
[[nodiscard]] std::string kernel_version_in(std::string_view makefile);

/// Where the source tree is in a work folder; there if and only if it is whole.
[[nodiscard]] std::filesystem::path uml_tree(const std::filesystem::path& work);

/// The command that downloads the package (140 MB) into `work`, and what it leaves there.
[[nodiscard]] std::vector<std::string> fetch_command(const std::filesystem::path& work);
[[nodiscard]] std::filesystem::path fetched_tarball(const std::filesystem::path& work);

/// The command that unpacks what a build for User-mode Linux can need (300 MB of 1.3 GB) and then,
/// and only then, gives the tree its name.
[[nodiscard]] std::vector<std::string> unpack_command(const std::filesystem::path& tarball,
                                                      const std::filesystem::path& work);

}  // namespace overlab::real
