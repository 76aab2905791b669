// Doctor report: what of this machine can run which backend in which world, for people and as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "real/doctor/capabilities.h"
#include "real/vm/uml_kernel.h"
#include "real/vm/vm_runner.h"
#include "results/table.h"

namespace overlab::cli {

struct Diagnosis {
    std::vector<real::FeatureState> features;
    std::vector<real::EngineState> engines;
    std::optional<real::UmlKernel> built_kernel;  ///< of `overlab kernel build`
};

/// Tables of backends by world, of features, of engines; below them what is missing, why, and the
/// remedy.
[[nodiscard]] std::string doctor_text(const Diagnosis& diagnosis, const TableOptions& options);

/// One document: `backends` (by name, then by world), `features`, `engines`, `built_kernel` (null:
/// none). Every answer has `available`; where that is false, `why` and `remedy`.
[[nodiscard]] std::string doctor_json(const Diagnosis& diagnosis);

}  // namespace overlab::cli
