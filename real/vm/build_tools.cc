#include "real/vm/build_tools.h"

#include <unistd.h>

#include <array>
#include <set>

#include "real/base/process.h"

namespace overlab::real {
namespace {

struct Tool {
    const char *program, *package;
};
constexpr std::array tools{Tool{"gcc", "gcc"}, Tool{"ld", "binutils"}, Tool{"strip", "binutils"},
                           Tool{"make", "make"}, Tool{"flex", "flex"}, Tool{"bison", "bison"},
                           Tool{"bc", "bc"}, Tool{"xz", "xz-utils"}, Tool{"tar", "tar"},
                           // User-mode Linux is a program, and gcc comes without the C library's
                           // headers.
                           Tool{"/usr/include/stdlib.h", "libc6-dev"}};
constexpr std::array download_tools{Tool{"apt-get", "apt"}, Tool{"dpkg-deb", "dpkg"}};

}  // namespace

std::vector<std::string> missing_build_packages(
    bool download, const std::function<bool(const std::string&)>& has) {
    const auto is_there = [&has](const std::string& name) {
        if (has) return has(name);
        return name.starts_with('/') ? ::access(name.c_str(), R_OK) == 0
                                     : !find_program(name).empty();
    };
    std::set<std::string> packages;
    for (const Tool& tool : tools) {
        if (!is_there(tool.program)) packages.insert(tool.package);
    }
    for (const Tool& tool : download_tools) {
        if (download && !is_there(tool.program)) packages.insert(tool.package);
    }
    return {packages.begin(), packages.end()};
}

}  // namespace overlab::real
