// StagingFolder: where a result grows, beside its final place: `NAME.partial-XXXXXX`. Locked while
// its maker lives; what a killed one left goes when the next result for the same place is begun.
#pragma once

#include <string>
#include <utility>

#include "models/base/error.h"
#include "real/base/fd.h"

namespace overlab::cli {

class StagingFolder {
   public:
    /// Beside `final_path` (absolute), whose parent exists; removes what the dead left there.
    /// Errors: unavailable (with errno).
    [[nodiscard]] static Result<StagingFolder> create(const std::string& final_path);

    StagingFolder(StagingFolder&& other) noexcept
        : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
    StagingFolder& operator=(StagingFolder&&) = delete;
    /// Removes whatever is at the path.
    ~StagingFolder();

    /// Absolute; empty once moved from.
    [[nodiscard]] const std::string& path() const { return path_; }

   private:
    StagingFolder(std::string path, real::Fd lock)
        : path_(std::move(path)), lock_(std::move(lock)) {}

    std::string path_;
    real::Fd lock_;  ///< of the folder
};

}  // namespace overlab::cli
