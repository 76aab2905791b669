// Which files `overlab check` takes for scenarios, and where each one's golden is.
#pragma once

#include <string>
#include <vector>

#include "models/base/error.h"

namespace overlab::cli {

struct CheckFile {
    std::string path;
    std::string folder;  ///< below the path asked for; empty: it is in that folder itself
    std::string name;    ///< without `.json`

    /// `FOLDER/golden/NAME.txt`.
    [[nodiscard]] std::string golden_path() const;
};

struct CheckFiles {
    std::vector<CheckFile> scenarios;        ///< by path asked for, then folder and name
    std::vector<std::string> not_scenarios;  ///< JSON files that are something else
    std::vector<std::string> ownerless;      ///< goldens without a scenario, in folders asked for
};

/// A folder is searched with all that is in it. Not taken: `schema.json`, hidden files and folders,
/// folders of results, and what has neither "overlab" nor "include" in it (a part that others
/// include, say). A file that is named is taken whatever it holds. Errors: not_found,
/// invalid_argument (no scenario in a folder), unavailable; the text names the path.
[[nodiscard]] Result<CheckFiles> find_check_files(const std::vector<std::string>& paths);

}  // namespace overlab::cli
