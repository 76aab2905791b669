#include "cli/doctor_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace overlab::cli {
namespace {

using real::EngineState;
using real::Feature;
using real::FeatureState;

/// One backend in one world.
struct Verdict {
    bool available = false;
    std::string cell;  ///< `yes`, `yes (uml)`, `no: esp`
    std::string why, remedy;
};

/// The simulator needs nothing of the machine; what it has no model of is overlab's own gap.
Verdict in_sim(std::string_view backend) {
    if (backend != "wireguard") return {.available = true, .cell = "yes"};
    return {.available = false,
            .cell = "no",
            .why = "the simulator has no WireGuard",
            .remedy = "--world kernel or vm"};
}

Verdict in_kernel(std::string_view backend, const std::vector<FeatureState>& features) {
    const std::vector<Feature> missing = real::missing_for(backend, features);
    if (missing.empty()) return {.available = true, .cell = "yes"};
    std::vector<std::string_view> names;
    for (const Feature feature : missing) names.push_back(real::to_string(feature));
    const auto first = std::ranges::find(features, missing.front(), &FeatureState::feature);
    return {.available = false,
            .cell = fmt::format("no: {}", fmt::join(names, ", ")),
            .why = first->why,
            .remedy = first->remedy};
}

Verdict in_vm(std::string_view backend, const Diagnosis& diagnosis) {
    const auto engine = real::guest_for(backend, diagnosis.features, diagnosis.engines);
    if (engine) {
        return {.available = true, .cell = fmt::format("yes ({})", real::to_string(*engine))};
    }
    // It says per engine what is missing and what to do.
    return {.available = false, .cell = "no", .why = engine.error().what, .remedy = ""};
}

TableCell heading(std::string text) {
    return {.text = std::move(text), .style = CellStyle::heading, .left = true};
}

TableCell judged(std::string text, bool good) {
    return {.text = std::move(text), .style = good ? CellStyle::best : CellStyle::bad};
}

std::string backends_table(const Diagnosis& diagnosis, const TableOptions& options) {
    Table table;
    table.add_row({heading("backend"), heading("sim"), heading("kernel"), heading("vm")});
    for (const std::string_view backend : real::kernel_backends()) {
        std::vector<TableCell> row{{.text = std::string(backend)}};
        for (const Verdict& verdict :
             {in_sim(backend), in_kernel(backend, diagnosis.features), in_vm(backend, diagnosis)}) {
            row.push_back(judged(verdict.cell, verdict.available));
        }
        table.add_row(std::move(row));
    }
    return table.render(options);
}

std::string features_table(const Diagnosis& diagnosis, const TableOptions& options) {
    Table table;
    table.add_row({heading("this machine"), heading("has it"), heading("for")});
    for (const FeatureState& state : diagnosis.features) {
        table.add_row({{.text = std::string(real::to_string(state.feature))},
                       judged(state.available ? "yes" : "no", state.available),
                       {.text = std::string(real::purpose_of(state.feature))}});
    }
    return table.render(options);
}

std::string engines_table(const Diagnosis& diagnosis, const TableOptions& options) {
    Table table;
    table.add_row({heading("guest engine"), heading("works"), heading("kernel"), heading("has")});
    for (const EngineState& engine : diagnosis.engines) {
        table.add_row({{.text = std::string(real::to_string(engine.engine))},
                       judged(engine.usable ? "yes" : "no", engine.usable),
                       {.text = engine.usable ? engine.why : "-"},
                       {.text = engine.usable ? real::to_string(engine.has) : "-"}});
    }
    return table.render(options);
}

/// `esp: this kernel has no ESP: ...` and below it, indented, the remedy.
void add_gap(std::string& text, std::string_view name, std::string_view why,
             std::string_view remedy) {
    text += fmt::format("  {}: {}\n", name, why);
    if (!remedy.empty()) text += fmt::format("      {}\n", remedy);
}

std::string gaps_text(const Diagnosis& diagnosis) {
    std::string text;
    for (const FeatureState& state : diagnosis.features) {
        const std::string_view name = real::to_string(state.feature);
        if (!state.available) {
            add_gap(text, name, state.why, state.remedy);
        } else if (!state.note.empty()) {
            add_gap(text, name, state.note, state.remedy);
        }
    }
    for (const EngineState& engine : diagnosis.engines) {
        if (!engine.usable) {
            add_gap(text, real::to_string(engine.engine), engine.why, engine.remedy);
        }
    }
    return text.empty() ? "Nothing is missing.\n" : "Missing, and the remedy:\n" + text;
}

std::string built_kernel_text(const std::optional<real::UmlKernel>& kernel) {
    return kernel ? fmt::format("built kernel: {}, {}\n", kernel->version, kernel->path.string())
                  : fmt::format("built kernel: none; {}\n", real::uml_kernel_remedy);
}

nlohmann::json verdict_json(const Verdict& verdict) {
    nlohmann::json json{{"available", verdict.available}};
    if (!verdict.available) {
        json["why"] = verdict.why;
        json["remedy"] = verdict.remedy;
    }
    return json;
}

}  // namespace

std::string doctor_text(const Diagnosis& diagnosis, const TableOptions& options) {
    return fmt::format("{}\n{}\n{}\n{}\n{}", backends_table(diagnosis, options),
                       features_table(diagnosis, options), engines_table(diagnosis, options),
                       built_kernel_text(diagnosis.built_kernel), gaps_text(diagnosis));
}

std::string doctor_json(const Diagnosis& diagnosis) {
    nlohmann::json document{{"backends", nlohmann::json::object()},
                            {"built_kernel", nullptr},
                            {"features", nlohmann::json::object()},
                            {"engines", nlohmann::json::array()}};
    if (diagnosis.built_kernel) {
        document["built_kernel"] = {{"digest", diagnosis.built_kernel->digest},
                                    {"path", diagnosis.built_kernel->path.string()},
                                    {"version", diagnosis.built_kernel->version}};
    }
    for (const std::string_view backend : real::kernel_backends()) {
        nlohmann::json& worlds = document["backends"][std::string(backend)];
        worlds["sim"] = verdict_json(in_sim(backend));
        worlds["kernel"] = verdict_json(in_kernel(backend, diagnosis.features));
        worlds["vm"] = verdict_json(in_vm(backend, diagnosis));
        const auto engine = real::guest_for(backend, diagnosis.features, diagnosis.engines);
        if (engine) worlds["vm"]["engine"] = std::string(real::to_string(*engine));
    }
    for (const FeatureState& state : diagnosis.features) {
        nlohmann::json& feature = document["features"][std::string(real::to_string(state.feature))];
        feature = verdict_json(
            {.available = state.available, .cell = {}, .why = state.why, .remedy = state.remedy});
        if (!state.note.empty()) {
            feature["note"] = state.note;
            feature["remedy"] = state.remedy;
        }
    }
    for (const EngineState& state : diagnosis.engines) {
        nlohmann::json engine = verdict_json(
            {.available = state.usable, .cell = {}, .why = state.why, .remedy = state.remedy});
        engine["engine"] = std::string(real::to_string(state.engine));
        if (state.usable) {
            engine["kernel"] = state.why;
            engine["has"] = {{"esp", state.has.esp},
                             {"ipip", state.has.ipip},
                             {"nat", state.has.nat},
                             {"netem", state.has.netem},
                             {"wireguard", state.has.wireguard}};
        }
        document["engines"].push_back(std::move(engine));
    }
    return document.dump(1) + '\n';
}

}  // namespace overlab::cli
