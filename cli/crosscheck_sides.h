// The two halves of a cross-check, made where a real kernel may be filled with rows.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/crosscheck/kernel_side.h"
#include "models/crosscheck/sim_side.h"

namespace overlab::cli {

struct CrossSides {
    std::unique_ptr<SimSide> sim;
    std::unique_ptr<KernelSide> kernel;
};

/// `scratch`: a folder for keys; it must outlive the sides. Errors: unsupported, unavailable.
using MakeCrossSides = std::function<Result<CrossSides>(const std::filesystem::path& scratch)>;

[[nodiscard]] Result<CrossSides> make_cross_sides(const std::filesystem::path& scratch);

}  // namespace overlab::cli
