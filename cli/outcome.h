// Outcome: how a run in another process tells what came of it, as lines of text over a pipe or in a
// file: `p NOW_NS END_NS` is progress, `r JSON` the report, `e KIND ERRNO MESSAGE` an error.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "models/base/error.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"

namespace overlab::cli {

class OutcomeWriter {
   public:
    /// The descriptor stays the caller's.
    explicit OutcomeWriter(int fd) : fd_(fd) {}

    /// For RunOptions::progress; says something every half percent.
    [[nodiscard]] std::function<void(std::int64_t now_ns, std::int64_t end_ns)> progress() const;
    /// False if it cannot be written.
    [[nodiscard]] bool tell(const Result<RunReport>& outcome) const;

   private:
    int fd_;
};

class OutcomeReader {
   public:
    /// Takes text as it comes. False: a line that is none of ours (then it was not taken).
    bool feed(std::string_view text);

    /// How far the run is, 0 to 1.
    [[nodiscard]] double fraction() const { return fraction_; }
    /// The outcome, once it was told.
    [[nodiscard]] const std::optional<Result<RunReport>>& told() const { return told_; }

   private:
    bool take_line(std::string_view line);

    std::string buffer_;  ///< what has come of the line that is not yet whole
    double fraction_ = 0;
    std::optional<Result<RunReport>> told_;
};

}  // namespace overlab::cli
