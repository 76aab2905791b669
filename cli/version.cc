#include "cli/version.h"

namespace overlab::cli {

std::string_view version() { return OVERLAB_VERSION; }

std::string_view compiler() {
#ifdef __clang__
    return "clang++ " __clang_version__;
#else
    return "g++ " __VERSION__;
#endif
}

}  // namespace overlab::cli
