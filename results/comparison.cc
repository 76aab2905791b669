#include "results/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "models/base/check.h"
#include "results/metrics.h"

namespace overlab {
namespace {

using Runs = std::vector<const RunReport*>;

/// Guests alone can be in either time; of the others it is known.
std::string title_of_world(const RunReport& run) {
    return run.world == "vm" && run.virtual_time ? "vm, virtual time" : run.world;
}

/// The runs of one row.
struct RowRuns {
    std::string backend, world;
    Runs runs;
};

std::vector<RowRuns> by_row(const std::vector<RunReport>& runs) {
    std::vector<RowRuns> groups;
    for (const RunReport& run : runs) {
        if (!run.unavailable.empty()) continue;
        auto group = std::ranges::find_if(groups, [&](const RowRuns& one) {
            return one.backend == run.backend && one.world == run.world;
        });
        if (group == groups.end())
            group = groups.insert(groups.end(), {run.backend, run.world, {}});
        group->runs.push_back(&run);
    }
    return groups;
}

ComparisonCell cell_of(const ComparisonMetric& metric, const Runs& runs) {
    std::vector<double> samples;
    for (const RunReport* run : runs) {
        if (const auto value = metric.value(*run)) samples.push_back(*value);
    }
    return {.value = estimate(samples), .best = false, .difference_percent = std::nullopt};
}

bool better_than(const Estimate& a, const Estimate& b, ComparisonColumn::Better better) {
    return better == ComparisonColumn::Better::higher ? a.mean > b.mean : a.mean < b.mean;
}

/// Within both intervals, or too little apart for anybody to care.
bool indistinguishable(const Estimate& a, const Estimate& b) {
    constexpr double negligible = 0.001;
    const double apart = std::abs(a.mean - b.mean);
    return apart <= a.half_width + b.half_width ||
           apart <= negligible * std::max(std::abs(a.mean), std::abs(b.mean));
}

/// Marks column `index` of one world's rows: the best, whoever is as good, and the others' distance
/// to it.
void judge(const std::vector<ComparisonRow*>& rows, const ComparisonColumn& column,
           std::size_t index) {
    const ComparisonCell* best = nullptr;
    for (const ComparisonRow* row : rows) {
        const ComparisonCell& cell = row->cells[index];
        if (!cell.value) continue;
        if (best == nullptr || better_than(*cell.value, *best->value, column.better)) best = &cell;
    }
    if (best == nullptr) return;
    const Estimate target = *best->value;
    const bool all_alike = std::ranges::all_of(rows, [&](const ComparisonRow* row) {
        return row->cells[index].value && indistinguishable(*row->cells[index].value, target);
    });
    if (all_alike) return;
    for (ComparisonRow* row : rows) {
        ComparisonCell& cell = row->cells[index];
        if (!cell.value) continue;
        cell.best = indistinguishable(*cell.value, target);
        if (!cell.best && column.with_difference && target.mean != 0) {
            cell.difference_percent = 100.0 * (cell.value->mean - target.mean) / target.mean;
        }
    }
}

/// A column that nobody has a number for says nothing, unless its emptiness does (`never`).
void drop_empty_columns(Comparison& comparison) {
    for (std::size_t i = comparison.columns.size(); i-- > 0;) {
        const bool empty = std::ranges::none_of(comparison.rows, [i](const ComparisonRow& row) {
            return row.cells[i].value.has_value();
        });
        if (!empty || comparison.columns[i].absent != "-") continue;
        const auto place = static_cast<std::ptrdiff_t>(i);
        comparison.columns.erase(comparison.columns.begin() + place);
        for (ComparisonRow& row : comparison.rows) row.cells.erase(row.cells.begin() + place);
    }
}

void collect_notes(const std::string& backend, const Runs& runs, Comparison& comparison) {
    for (const PairProblem& pair : runs.front()->unreachable)
        comparison.unreachable.push_back({backend, pair});
    for (const RunReport* run : runs) {
        for (const std::string& warning : run->warnings) {
            const std::pair<std::string, std::string> note(backend, warning);
            const bool known =
                std::ranges::find(comparison.warnings, note) != comparison.warnings.end();
            if (!known) comparison.warnings.push_back(note);
        }
    }
}

}  // namespace

Comparison compare(const std::vector<RunReport>& runs) {
    CHECK(!runs.empty());
    Comparison comparison;
    for (const RunReport& run : runs) {
        if (!run.unavailable.empty())
            comparison.unavailable.push_back({run.backend, run.world, run.unavailable});
    }
    const std::vector<RowRuns> groups = by_row(runs);
    if (groups.empty()) return comparison;
    const std::vector<ComparisonMetric> metrics = comparison_metrics(*groups.front().runs.front());
    for (const ComparisonMetric& metric : metrics) comparison.columns.push_back(metric.column);
    for (const auto& [backend, world, group] : groups) {
        ComparisonRow row{.backend = backend,
                          .world = world,
                          .world_title = title_of_world(*group.front()),
                          .cells = {}};
        for (const ComparisonMetric& metric : metrics) row.cells.push_back(cell_of(metric, group));
        comparison.rows.push_back(std::move(row));
        collect_notes(backend, group, comparison);
    }
    drop_empty_columns(comparison);
    std::map<std::string, std::vector<ComparisonRow*>> by_world;
    for (ComparisonRow& row : comparison.rows) by_world[row.world].push_back(&row);
    comparison.world_count = by_world.size();
    for (const auto& [world, rows] : by_world) {
        for (std::size_t i = 0; i < comparison.columns.size(); ++i)
            judge(rows, comparison.columns[i], i);
    }
    return comparison;
}

}  // namespace overlab
