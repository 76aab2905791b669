#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/experiment.h"
#include "cli/report_problems.h"
#include "cli/scenario_file.h"
#include "models/base/suggest.h"
#include "results/walk_json.h"
#include "results/walk_text.h"

namespace overlab::cli {
namespace {

struct TraceOptions {
    std::string scenario_file;
    std::string backend;
    std::uint64_t seed = 0;
    Format format = Format::table;
    TracePacket packet;
};

/// The smallest IPv4 packet is a header; the largest is all that its length field can say.
constexpr std::uint32_t smallest_packet = 20;
constexpr std::uint32_t largest_packet = 65535;

void declare_options(CLI::App& command, TraceOptions& options) {
    command.add_option("scenario", options.scenario_file, "scenario file")
        ->required()
        ->option_text("SCENARIO");
    command.add_option("--from", options.packet.from, "pod that sends")
        ->required()
        ->option_text("POD");
    command.add_option("--to", options.packet.to, "pod that is to receive")
        ->required()
        ->option_text("POD");
    command.add_option("--backend", options.backend, "instead of the scenario's own")
        ->option_text("NAME");
    command.add_option("--seed", options.seed, "instead of the scenario's seed")->option_text("N");
    command.add_option("--size", options.packet.size_bytes, "bytes of the IP packet")
        ->check(CLI::Range(smallest_packet, largest_packet))
        ->option_text("BYTES (default: 84)");
    command.add_flag("--df,!--no-df", options.packet.dont_fragment,
                     "whether fragmenting the packet is forbidden (default: it is)");
    add_format_option(command, options.format);
}

/// Says which pods there are if this is none of them.
Result<void> check_pod(const Scenario& scenario, const std::string& name) {
    if (std::ranges::find(scenario.pods, name, &PodSpec::name) != scenario.pods.end()) return {};
    std::vector<std::string_view> known;
    for (const PodSpec& pod : scenario.pods) known.emplace_back(pod.name);
    return fail(ErrorKind::not_found, fmt::format("pod {}: the scenario has no such pod{}", name,
                                                  did_you_mean(name, known)));
}

Result<Trace> trace(const TraceOptions& options, const Scenario& scenario, const Tracer& tracer) {
    for (const std::string& pod : {options.packet.from, options.packet.to}) {
        if (auto known = check_pod(scenario, pod); !known) return std::unexpected(known.error());
    }
    const std::uint64_t seed = options.seed == 0 ? scenario.seed : options.seed;
    if (options.backend.empty()) return tracer(scenario, seed, options.packet);
    OVERLAB_TRY(const Scenario variant, with_backend(scenario, options.backend));
    return tracer(variant, seed, options.packet);
}

int run_trace(const TraceOptions& options, const Tracer& tracer) {
    const auto file = load_scenario(options.scenario_file);
    if (!file) return report_problems(file.error(), options.format);
    const auto traced = trace(options, file->scenario, tracer);
    if (!traced) return report_error(traced.error().what, options.format);

    const Walk* back = traced->back ? &*traced->back : nullptr;
    fmt::print("{}", options.format == Format::json ? round_trip_json(traced->there, back)
                                                    : round_trip_text(traced->there, back));
    const bool arrived = back != nullptr && back->disposition == Disposition::delivered;
    return static_cast<int>(arrived ? ExitCode::ok : ExitCode::expectation_failed);
}

}  // namespace

void add_trace_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand(
        "trace", "Follow one packet from pod to pod, step by step, and its answer.");
    command->footer(
        "Examples:\n"
        "  overlab trace scenarios/two-hosts.json --from client --to server\n"
        "  overlab trace scenarios/two-hosts.json --from client --to server --size 1500 --backend "
        "ipsec\n\n"
        "Exit codes: 0 the packet and its answer arrive, 1 one of them does not, 2 bad input.");
    const auto options = std::make_shared<TraceOptions>();
    declare_options(*command, *options);
    command->callback([options, &environment] {
        environment.exit_code = run_trace(*options, environment.tracer);
    });
}

}  // namespace overlab::cli
