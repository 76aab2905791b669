#include "models/scenario/expectations.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "models/base/suggest.h"
#include "models/lease/field_reader.h"
#include "models/measure/run_report.h"
#include "models/scenario/units.h"

namespace overlab {
namespace {

/// A report with nothing measured, whose metrics have the names that a real one's will have.
RunReport empty_report(const Scenario& scenario) {
    RunReport report;
    for (const TrafficSpec& flow : scenario.traffic) report.flows.emplace_back().name = flow.name;
    for (const UnderlayNode& node : scenario.underlay.nodes) {
        if (node.kind == UnderlayNode::Kind::host && node.runs_node)
            report.hosts.emplace_back().name = node.name;
    }
    for (const FaultSpec& fault : scenario.faults) report.faults.emplace_back().name = fault.name;
    return report;
}

/// False (and reported) if no result will have such a metric.
bool check_metric(const JsonCursor& at, const Expectation& expectation, const RunReport& report) {
    const auto has_name = [&](const auto& list) {
        return std::ranges::any_of(list,
                                   [&](const auto& entry) { return entry.name == expectation.of; });
    };
    const bool known = expectation.of == "network" || has_name(report.flows) ||
                       has_name(report.hosts) || has_name(report.faults);
    const Result<double> value = metric(report, expectation.of, expectation.metric);
    if (value || value.error().kind != ErrorKind::not_found) return true;
    at.at(known ? "metric" : "of").problem(value.error().what);
    return false;
}

/// A quantity with a unit, in the unit that the metric's name ends with.
Result<double> with_unit(const std::string& text, std::string_view metric_name) {
    if (metric_name.ends_with("_bps")) {
        OVERLAB_TRY(const std::uint64_t rate, parse_rate(text));
        return static_cast<double>(rate);
    }
    if (metric_name.ends_with("_ns")) {
        OVERLAB_TRY(const Duration duration, parse_duration(text));
        return static_cast<double>(duration.ns);
    }
    if (metric_name.find("bytes") != std::string_view::npos) {
        OVERLAB_TRY(const std::uint64_t size, parse_size(text));
        return static_cast<double>(size);
    }
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} has no unit; expected a plain number", metric_name));
}

std::optional<double> read_bound(const JsonCursor& at, std::string_view metric_name) {
    if (!at.exists()) return std::nullopt;
    const std::string& text = at.value().text;
    if (at.value().is(LocatedValue::Kind::string)) {
        const Result<double> bound = with_unit(text, metric_name);
        if (bound) return *bound;
        at.problem(bound.error().what);
        return std::nullopt;
    }
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && std::isfinite(number))
        return number;
    at.problem(fmt::format("{} is absurdly large or small", text.substr(0, 40)));
    return std::nullopt;
}

void check_backend(const JsonCursor& at, const Expectation& expectation, const Scenario& scenario) {
    std::vector<std::string_view> known(scenario.compare_backends.begin(),
                                        scenario.compare_backends.end());
    known.push_back(backend_name(scenario.network.backend));
    if (expectation.backend.empty() || std::ranges::find(known, expectation.backend) != known.end())
        return;
    at.problem(fmt::format("{} is neither the network's backend nor one of those compared{}",
                           json_quote(expectation.backend),
                           did_you_mean(expectation.backend, known)));
}

}  // namespace

std::vector<Expectation> read_expectations(const JsonCursor& expect_at, const Scenario& scenario) {
    std::vector<Expectation> expectations;
    const RunReport report = empty_report(scenario);
    for (const JsonCursor& at : expect_at.items()) {
        Expectation expectation;
        expectation.of = at.at("of").text().value_or("");
        expectation.metric = at.at("metric").text().value_or("");
        expectation.backend = to_lower(at.at("backend").text().value_or(""));
        expectation.world = at.at("world").text().value_or("");
        if (!check_metric(at, expectation, report)) continue;
        check_backend(at.at("backend"), expectation, scenario);
        expectation.min = read_bound(at.at("min"), expectation.metric);
        expectation.max = read_bound(at.at("max"), expectation.metric);
        if (!at.has("min") && !at.has("max"))
            at.problem(R"(an expectation needs a "min", a "max" or both)");
        if (expectation.min && expectation.max && *expectation.min > *expectation.max)
            at.at("max").problem("the maximum is below the minimum");
        expectations.push_back(std::move(expectation));
    }
    return expectations;
}

}  // namespace overlab
