// Canary: what is known of an engine on this boot of the machine: a short guest was run once and
// asked what its kernel can do. The answer is kept in the user's cache, under a name that changes
// with the machine's boot, the engine's files and the questions.
#pragma once

#include <filesystem>

#include "real/vm/guest_engine.h"

namespace overlab::real {

/// The remembered answer, else a canary's. An answer that may be due to a passing trouble (no
/// memory, a full disk) is not remembered.
[[nodiscard]] EngineState ask_engine(const Engine& engine, const VmOptions& options);

/// Runs a job on an engine whose files are known; the whole of VmRunner::run().
[[nodiscard]] Result<int> run_job(const Engine& engine, const EngineFiles& files,
                                  const GuestJob& job);

/// options.cache, or the user's cache folder; if there is none, a path at which nothing can be
/// kept.
[[nodiscard]] std::filesystem::path cache_of(const VmOptions& options);

}  // namespace overlab::real
