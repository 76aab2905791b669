// ViolationLog: what was found, in order of time, each finding once: what stays wrong is not news.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "models/measure/run_report.h"

namespace overlab {

class ViolationLog {
   public:
    /// Also says that the invariant was checked. Beyond max_violations nothing is kept.
    void add(ViolationReport violation);
    void note_checked(std::string_view invariant);

    [[nodiscard]] const std::vector<ViolationReport>& violations() const { return violations_; }
    [[nodiscard]] std::vector<std::string> checked() const;  ///< sorted

   private:
    std::vector<ViolationReport> violations_;
    std::set<std::tuple<std::string, std::string, std::string>> known_;  ///< invariant, host, what
    std::set<std::string, std::less<>> checked_;
};

}  // namespace overlab
