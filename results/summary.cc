#include "results/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numeric>
#include <ranges>
#include <string_view>
#include <utility>

#include "results/units.h"

namespace overlab {
namespace {

/// Long lists are cut: the whole of them is in result.json.
constexpr std::size_t max_listed = 12;

/// ` *` for the best, ` -3.5%` for the others; far away it is told in times: ` x12`.
std::string mark_of(const ComparisonCell& cell) {
    if (cell.best) return " *";
    if (!cell.difference_percent) return {};
    const double percent = *cell.difference_percent;
    if (percent >= 200) return fmt::format(" x{:.{}f}", 1 + percent / 100, percent < 900 ? 1 : 0);
    return fmt::format(" {:+.{}f}%", percent, std::abs(percent) < 9.95 ? 1 : 0);
}

TableCell table_cell(const ComparisonCell& cell, const ComparisonColumn& column) {
    if (!cell.value) return {column.absent, CellStyle::plain, {}};
    return {format_estimate(*cell.value, column.unit),
            cell.best ? CellStyle::best : CellStyle::plain, mark_of(cell)};
}

Table comparison_table(const Comparison& comparison) {
    Table table;
    const bool several_worlds = comparison.world_count > 1;
    std::vector<TableCell> heading{{"backend", CellStyle::heading}};
    if (several_worlds)
        heading.push_back({.text = "world", .style = CellStyle::heading, .left = true});
    for (const ComparisonColumn& column : comparison.columns)
        heading.push_back({column.heading, CellStyle::heading});
    table.add_row(std::move(heading));
    for (const ComparisonRow& row : comparison.rows) {
        std::vector<TableCell> cells{{row.backend, CellStyle::plain}};
        if (several_worlds) cells.push_back({.text = row.world_title, .left = true});
        for (std::size_t i = 0; i < row.cells.size(); ++i) {
            cells.push_back(table_cell(row.cells[i], comparison.columns[i]));
        }
        table.add_row(std::move(cells));
    }
    return table;
}

/// The reason without the backend's name, which stands before it.
std::string_view reason_of(std::string_view why, const std::string& backend) {
    const std::string prefix = backend + ": ";
    if (why.starts_with(prefix)) why.remove_prefix(prefix.size());
    return why;
}

std::string unreachable_text(const Comparison& comparison) {
    if (comparison.unreachable.empty()) return {};
    std::string out = "\nunreachable pairs:\n";
    std::size_t listed = 0;
    for (const auto& [backend, pair] : comparison.unreachable) {
        if (++listed > max_listed) break;
        out += fmt::format("  {}: {} -> {}: {}\n", backend, pair.from, pair.to,
                           reason_of(pair.why, backend));
    }
    if (comparison.unreachable.size() > max_listed) {
        out += fmt::format("  and {} more in result.json\n",
                           comparison.unreachable.size() - max_listed);
    }
    return out;
}

/// Texts, each once and in the order given, after all whom they are about: `  vxlan, udp: text`.
std::string grouped_lines(const std::vector<std::pair<std::string, std::string>>& whose_text) {
    std::vector<std::pair<std::string, std::string>> lines;  // text, whose
    for (const auto& [who, text] : whose_text) {
        const auto line =
            std::ranges::find(lines, text, &std::pair<std::string, std::string>::first);
        if (line == lines.end()) {
            lines.emplace_back(text, who);
        } else {
            line->second += ", " + who;
        }
    }
    std::string out;
    for (const auto& [text, whose] : lines) out += fmt::format("  {}: {}\n", whose, text);
    return out;
}

/// Backends that a world cannot run on this machine; of several runs each once.
std::string unavailable_text(const Comparison& comparison) {
    std::vector<std::pair<std::string, std::string>> reasons;
    for (const auto& [backend, world, why] : comparison.unavailable) {
        const std::pair<std::string, std::string> reason(
            fmt::format("{} ({} world)", backend, world), reason_of(why, backend));
        if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(reason);
    }
    return reasons.empty() ? std::string() : "\nnot measured:\n" + grouped_lines(reasons);
}

std::string warnings_text(const Comparison& comparison) {
    return comparison.warnings.empty() ? std::string()
                                       : "\nwarnings:\n" + grouped_lines(comparison.warnings);
}

std::string optional_time(std::int64_t ns) {
    return ns < 0 ? "never" : format_quantity(static_cast<double>(ns), Unit::nanoseconds);
}

std::string loss_text(const FlowReport& flow) {
    if (flow.packets_sent == 0) return "-";
    const auto lost = static_cast<double>(flow.packets_lost);
    return format_quantity(100.0 * lost / static_cast<double>(flow.packets_sent), Unit::percent);
}

std::string latency_text(const FlowReport& flow, std::int64_t ns) {
    return flow.latency.count == 0 ? "-"
                                   : format_quantity(static_cast<double>(ns), Unit::nanoseconds);
}

/// Names first, aligned left, then numbers.
std::vector<TableCell> headings(std::initializer_list<const char*> names,
                                std::initializer_list<const char*> numbers) {
    std::vector<TableCell> row;
    for (const char* name : names)
        row.push_back({.text = name, .style = CellStyle::heading, .left = true});
    for (const char* number : numbers) row.push_back({.text = number, .style = CellStyle::heading});
    return row;
}

Table flow_table(const RunReport& run) {
    Table table;
    table.add_row(
        headings({"flow", "kind", "from -> to"}, {"goodput", "loss", "latency\np50", "latency\np99",
                                                  "first\ndelivery", "segments\nsent again"}));
    for (const FlowReport& flow : run.flows | std::views::take(max_listed)) {
        const bool dead = flow.first_delivery_ns < 0;
        table.add_row(
            {{flow.name},
             {flow.kind},
             {fmt::format("{} -> {}", flow.from, flow.to)},
             {format_quantity(static_cast<double>(flow.goodput_bps), Unit::bits_per_second)},
             {loss_text(flow)},
             {latency_text(flow, flow.latency.p50_ns)},
             {latency_text(flow, flow.latency.p99_ns)},
             {optional_time(flow.first_delivery_ns), dead ? CellStyle::bad : CellStyle::plain},
             {flow.kind == "tcp" ? fmt::format("{}", flow.retransmits) : "-"}});
    }
    return table;
}

/// What a kernel in virtual time counts is no work.
std::string cpu_text(const RunReport& run, const HostReport& host) {
    std::int64_t cpu = std::accumulate(host.cpu_ns.begin(), host.cpu_ns.end(), std::int64_t{0});
    if (run.virtual_time && !host.cpu_measured_ns.empty()) return "-";
    for (const auto& [what, time_ns] : host.cpu_measured_ns) cpu += time_ns;
    return format_quantity(static_cast<double>(cpu), Unit::nanoseconds);
}

Table host_table(const RunReport& run) {
    Table table;
    table.add_row(headings({"host", "lease"},
                           {"pod MTU", "converged", "rows", "CPU time", "packets\ndropped"}));
    for (const HostReport& host : run.hosts | std::views::take(max_listed)) {
        std::uint64_t dropped = 0;
        for (const auto& [disposition, packets] : host.drops) dropped += packets;
        const bool late = host.converged_ns < 0;
        table.add_row({{host.name},
                       {host.lease.empty() ? "none" : host.lease},
                       {host.overlay_mtu == 0 ? "-" : fmt::format("{} B", host.overlay_mtu)},
                       {optional_time(host.converged_ns), late ? CellStyle::bad : CellStyle::plain},
                       {fmt::format("{}", host.rows)},
                       {cpu_text(run, host)},
                       {fmt::format("{}", dropped)}});
    }
    return table;
}

std::string expectation_bounds(const Expectation& expectation) {
    if (expectation.min && expectation.max)
        return fmt::format("{} to {}", *expectation.min, *expectation.max);
    if (expectation.min) return fmt::format("at least {}", *expectation.min);
    if (expectation.max) return fmt::format("at most {}", *expectation.max);
    return "any value";
}

std::string expectation_line(const ExpectationOutcome& outcome, bool several_worlds,
                             bool several_seeds, bool colour) {
    const char* verdict = outcome.met ? "ok    " : "FAILED";
    const char* paint = outcome.met ? "\x1b[32m" : "\x1b[31m";
    std::string line =
        colour ? fmt::format("  {}{}\x1b[0m", paint, verdict) : fmt::format("  {}", verdict);
    line += fmt::format("  {}", outcome.backend);
    if (several_worlds) line += fmt::format(" ({})", outcome.world);
    if (several_seeds) line += fmt::format(" seed {}", outcome.seed);
    line += fmt::format(": {} {}: ", outcome.expectation.of, outcome.expectation.metric);
    if (outcome.measured) {
        return line + fmt::format("{}, expected {}\n", *outcome.measured,
                                  expectation_bounds(outcome.expectation));
    }
    return line + outcome.problem + "\n";
}

}  // namespace

std::string repeats_text(const ExperimentResult& result) {
    std::string out;
    std::size_t listed = 0;
    for (const RepeatOutcome& run : result.repeats) {
        if (run.differences.empty() && ++listed > max_listed) continue;
        const std::string world = result.worlds.size() > 1 ? " in " + run.world : std::string();
        out += fmt::format("repeats: {} of {} identical ({}{}, seed {})\n", run.identical,
                           run.repeats, run.backend, world, run.seed);
        for (const RepeatDifference& one : run.differences | std::views::take(max_listed))
            out += fmt::format("  repeat {}: {}: {}\n", one.repeat, one.file, one.what);
        if (run.differences.size() > max_listed) {
            out +=
                fmt::format("  and {} more in result.json\n", run.differences.size() - max_listed);
        }
    }
    if (listed > max_listed)
        out += fmt::format("repeats: and {} more runs identical\n", listed - max_listed);
    return out;
}

std::string comparison_text(const Comparison& comparison, const TableOptions& options) {
    std::string out = comparison_table(comparison).render(options);
    const bool marked = std::ranges::any_of(comparison.rows, [](const ComparisonRow& row) {
        return std::ranges::any_of(row.cells, &ComparisonCell::best);
    });
    const bool repeated = std::ranges::any_of(comparison.rows, [](const ComparisonRow& row) {
        return std::ranges::any_of(
            row.cells, [](const auto& cell) { return cell.value && cell.value->count > 1; });
    });
    if (marked) {
        out += comparison.world_count > 1 ? "* best of its world; others: difference to that\n"
                                          : "* best; others: difference to the best\n";
    }
    if (repeated) out += "± 95 % confidence interval of the mean\n";
    out += unavailable_text(comparison);
    out += unreachable_text(comparison);
    return out + warnings_text(comparison);
}

std::string run_text(const RunReport& run, const TableOptions& options) {
    const auto cut = [](std::size_t count, const char* what) {
        return count <= max_listed ? std::string()
                                   : fmt::format("and {} more {}\n", count - max_listed, what);
    };
    std::string out;
    if (!run.flows.empty()) {
        out += flow_table(run).render(options) + cut(run.flows.size(), "flows in flows.csv") + "\n";
    }
    out += host_table(run).render(options) + cut(run.hosts.size(), "hosts in result.json");
    return out;
}

std::string expectations_text(const ExperimentResult& result, bool colour, Listed listed) {
    if (result.expectations.empty()) return {};
    std::string lines;
    std::size_t met = 0;
    for (const ExpectationOutcome& outcome : result.expectations) {
        met += outcome.met ? 1 : 0;
        if (outcome.met && listed == Listed::unmet) continue;
        lines +=
            expectation_line(outcome, result.worlds.size() > 1, result.seeds.size() > 1, colour);
    }
    return fmt::format("\nexpectations: {} of {} met\n{}", met, result.expectations.size(), lines);
}

}  // namespace overlab
