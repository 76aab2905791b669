// build_uml_kernel(): makes the kernel of uml_kernel.h. It takes minutes, can be interrupted at any
// time, and goes on where it was: what is done is in the work folder, and make(1) knows what is
// left.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "real/vm/uml_kernel.h"

namespace overlab::real {

struct UmlBuildOptions {
    std::filesystem::path cache;   ///< an existing folder that we can write into
    std::filesystem::path source;  ///< a kernel source as .tar.xz; empty: Debian's linux-source-6.1
    unsigned jobs = 1;             ///< compilers at a time
    bool keep = false;             ///< the source tree and the objects, 400 MB
    bool force = false;            ///< anew, from the beginning, even if all is there
};

/// Told five times a second what is being done and how much of the whole is, 0 to 1. Answers
/// whether to go on.
using UmlWatcher = std::function<bool(std::string_view doing, double done)>;

/// Answers at once where the kernel of the current source version and configuration is there.
/// Builders of one cache wait for each other. Errors: not_found (tools or the source are missing;
/// with what to install), already_exists (the watcher stopped it), out_of_space, unavailable (a
/// step failed; with the end of its log).
[[nodiscard]] Result<UmlKernel> build_uml_kernel(const UmlBuildOptions& options,
                                                 const UmlWatcher& watcher);

}  // namespace overlab::real
