// What a kernel is built with, and in which of Debian's packages it is.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace overlab::real {

/// What a build lacks on this machine, as a Debian package each, by name. `download`: the source is
/// not there either. `has` says whether there is a program of this name, or a file of this path;
/// empty: looks.
[[nodiscard]] std::vector<std::string> missing_build_packages(
    bool download, const std::function<bool(const std::string&)>& has = {});

}  // namespace overlab::real
