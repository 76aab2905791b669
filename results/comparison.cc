#include "results/comparison.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/base/check.h"
#include "results/metrics.h"

namespace overlab {
namespace {

using RunsOfBackend = std::vector<const RunReport*>;

std::vector<std::pair<std::string, RunsOfBackend>> by_backend(const std::vector<RunReport>& runs) {
    std::vector<std::pair<std::string, RunsOfBackend>> groups;
    for (const RunReport& run : runs) {
        auto group =
            std::ranges::find(groups, run.backend, &std::pair<std::string, RunsOfBackend>::first);
        if (group == groups.end()) group = groups.insert(groups.end(), {run.backend, {}});
        group->second.push_back(&run);
    }
    return groups;
}

ComparisonCell cell_of(const ComparisonMetric& metric, const RunsOfBackend& runs) {
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

/// Marks column `index`: the best, whoever is as good, and the others' distance to it.
void judge(std::vector<ComparisonRow>& rows, const ComparisonColumn& column, std::size_t index) {
    const ComparisonCell* best = nullptr;
    for (const ComparisonRow& row : rows) {
        const ComparisonCell& cell = row.cells[index];
        if (!cell.value) continue;
        if (best == nullptr || better_than(*cell.value, *best->value, column.better)) best = &cell;
    }
    if (best == nullptr) return;
    const Estimate target = *best->value;
    const bool all_alike = std::ranges::all_of(rows, [&](const ComparisonRow& row) {
        return row.cells[index].value && indistinguishable(*row.cells[index].value, target);
    });
    if (all_alike) return;
    for (ComparisonRow& row : rows) {
        ComparisonCell& cell = row.cells[index];
        if (!cell.value) continue;
        cell.best = indistinguishable(*cell.value, target);
        if (!cell.best && column.with_difference && target.mean != 0) {
            cell.difference_percent = 100.0 * (cell.value->mean - target.mean) / target.mean;
        }
    }
}

void collect_notes(const std::string& backend, const RunsOfBackend& runs, Comparison& comparison) {
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
    const std::vector<ComparisonMetric> metrics = comparison_metrics(runs.front());
    Comparison comparison;
    for (const ComparisonMetric& metric : metrics) comparison.columns.push_back(metric.column);
    for (const auto& [backend, group] : by_backend(runs)) {
        ComparisonRow row{.backend = backend, .cells = {}};
        for (const ComparisonMetric& metric : metrics) row.cells.push_back(cell_of(metric, group));
        comparison.rows.push_back(std::move(row));
        collect_notes(backend, group, comparison);
    }
    for (std::size_t i = 0; i < comparison.columns.size(); ++i)
        judge(comparison.rows, comparison.columns[i], i);
    return comparison;
}

}  // namespace overlab
