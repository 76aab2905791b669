// What `overlab kernel` answers, as text and as JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "real/vm/uml_kernel.h"
#include "real/vm/uml_source.h"

namespace overlab::cli {

struct KernelStatus {
    std::filesystem::path cache;
    Result<real::UmlKernel> kernel;
    Result<real::UmlSource> source;
    std::vector<real::CachedFolder> folders;
};

[[nodiscard]] std::string kernel_status_text(const KernelStatus& status);
[[nodiscard]] nlohmann::json kernel_status_json(const KernelStatus& status);

[[nodiscard]] nlohmann::json kernel_json(const real::UmlKernel& kernel);
[[nodiscard]] nlohmann::json folders_json(const std::vector<real::CachedFolder>& folders);

/// Of 10^6 bytes, rounded.
[[nodiscard]] std::uint64_t megabytes(std::uint64_t bytes);

}  // namespace overlab::cli
