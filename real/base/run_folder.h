// RunFolder: the files of one run: sockets, logs, a private etcd's data. Removed with the run. A
// run that was killed leaves its folder; the next start of overlab sweeps those whose lock nobody
// holds.
#pragma once

#include <filesystem>
#include <string>

#include "models/base/error.h"
#include "real/base/fd.h"

namespace overlab::real {

class RunFolder {
   public:
    /// Sweeps what dead runs of this user left and makes a new folder, mode 0700, under
    /// `parent`/overlab-UID. Errors: unavailable (with errno: full disk, no permission).
    [[nodiscard]] static Result<RunFolder> create(const std::filesystem::path& parent = "/tmp");

    RunFolder(RunFolder&&) noexcept = default;
    RunFolder& operator=(RunFolder&&) = delete;
    ~RunFolder();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    /// The run's id, unique among the living: `k3f9a2`.
    [[nodiscard]] const std::string& id() const { return id_; }

   private:
    RunFolder(std::filesystem::path path, std::string id, Fd lock);

    std::filesystem::path path_;
    std::string id_;
    Fd lock_;
};

/// Removes what dead runs of this user left under `parent` (as create() does); answers how many
/// folders. Safe beside living runs.
std::size_t sweep_dead_runs(const std::filesystem::path& parent);

}  // namespace overlab::real
