// ResultDirectory: a result folder that is there whole or not at all.
//
// Files are written into a temporary folder beside the final one; commit() puts it in place in one
// step and then removes the result that was there before. A crash, a full disk or Ctrl-C leaves the
// old result as it was; what a killed overlab left beside it goes with the next result for the same
// place. A folder that holds something else than a result is never replaced.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/staging_folder.h"
#include "models/base/error.h"

namespace overlab::cli {

class ResultDirectory {
   public:
    /// Makes the temporary folder, and the final one's parents where they are missing. Errors:
    /// already_exists (the path is taken by something that is not a result), unavailable (with
    /// errno).
    [[nodiscard]] static Result<ResultDirectory> create(const std::string& path);

    ResultDirectory(ResultDirectory&& other) noexcept;
    ResultDirectory& operator=(ResultDirectory&&) = delete;
    ResultDirectory(const ResultDirectory&) = delete;
    ResultDirectory& operator=(const ResultDirectory&) = delete;
    /// Without a commit: removes everything that create() and the writes made.
    ~ResultDirectory();

    /// Where files of others (captures) go before the commit: a new folder of that name.
    [[nodiscard]] Result<std::string> make_folder(std::string_view name) const;

    /// Errors: unavailable (disk full, say), with errno.
    [[nodiscard]] Result<void> write(std::string_view name, std::string_view contents) const;

    /// Puts the folder in place. Errors: unavailable; then the old result is still there.
    [[nodiscard]] Result<void> commit();

    /// Absolute.
    [[nodiscard]] const std::string& path() const { return path_; }

   private:
    ResultDirectory(std::string path, StagingFolder staging, std::vector<std::string> made_parents);

    std::string path_;
    StagingFolder staging_;
    bool committed_ = false;
    std::vector<std::string> made_parents_;  ///< innermost first
};

}  // namespace overlab::cli
