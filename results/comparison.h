// Comparison: the numbers of the table that `compare` prints, from the reports of several backends
// and seeds.
//
// One row a backend and world, one column a metric; a cell is a mean over the seeds with its 95 %
// confidence interval. Rows are judged against those of their own world. The best of a column is
// the one with the best mean; whoever's difference to it is within the two intervals, or less than
// a thousandth, is as good. Wire overhead is the share of the bulk flows' bytes on their first link
// that was not payload: goodput is at most the line rate times what is left. Latency columns are
// round trips of request_response flows. Scenarios with many flows of a kind get one column for all
// of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/measure/run_report.h"
#include "results/statistics.h"
#include "results/units.h"

namespace overlab {

struct ComparisonColumn {
    std::string key;      ///< `bulk.goodput`, unique
    std::string heading;  ///< `bulk\ngoodput`
    Unit unit = Unit::count;
    enum class Better : std::uint8_t { higher, lower } better = Better::higher;
    bool with_difference = false;  ///< a difference to the best in percent makes sense
    std::string absent = "-";      ///< what an empty cell says
};

struct ComparisonCell {
    std::optional<Estimate> value;  ///< over the runs that have one
    bool best = false;              ///< never set when all cells of the column are equally good
    std::optional<double> difference_percent;  ///< to the best, if not the best itself
};

struct ComparisonRow {
    std::string backend, world;
    std::string world_title;            ///< for people: `vm, virtual time`
    std::vector<ComparisonCell> cells;  ///< one a column
};

struct Comparison {
    std::vector<ComparisonColumn> columns;
    std::vector<ComparisonRow> rows;

    struct Unreachable {
        std::string backend;
        PairProblem pair;
    };
    std::vector<Unreachable> unreachable;  ///< of each row's first run

    struct Unavailable {
        std::string backend, world, why;
    };
    std::vector<Unavailable> unavailable;  ///< what a world cannot run here; no row
    std::size_t world_count = 0;           ///< among the rows
    /// (backend, text), each once a backend.
    std::vector<std::pair<std::string, std::string>> warnings;
};

/// `runs` of one scenario; rows in the order in which pairs of backend and world first appear.
[[nodiscard]] Comparison compare(const std::vector<RunReport>& runs);

}  // namespace overlab
