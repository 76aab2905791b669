#include "cli/experiment_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace overlab::cli {
namespace {

std::vector<std::string> each_once(std::vector<std::string> names) {
    std::vector<std::string> once;
    for (std::string& name : names) {
        if (std::ranges::find(once, name) == once.end()) once.push_back(std::move(name));
    }
    return once;
}

std::vector<std::string> chosen_backends(const Scenario& scenario, const ExperimentOptions& options,
                                         Selection selection) {
    std::vector<std::string> names = options.backends;
    if (names.empty() && selection == Selection::compared) names = scenario.compare_backends;
    if (names.empty()) names.emplace_back(backend_name(scenario.network.backend));
    return each_once(std::move(names));
}

Result<std::vector<std::uint64_t>> chosen_seeds(const Scenario& scenario,
                                                const ExperimentOptions& options) {
    const std::uint64_t first = options.seed == 0 ? scenario.seed : options.seed;
    if (first > std::numeric_limits<std::uint64_t>::max() - options.runs) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("--runs: {} runs from seed {} leave 64 bits", options.runs, first));
    }
    std::vector<std::uint64_t> seeds;
    for (unsigned i = 0; i < options.runs; ++i) seeds.push_back(first + i);
    return seeds;
}

Result<void> check_time(const ExperimentOptions& options) {
    if (!options.kernel.virtual_time) return {};
    if (std::ranges::find(options.worlds, "vm") == options.worlds.end()) {
        return fail(ErrorKind::invalid_argument,
                    "--time virtual: only guest kernels can be told: add --world vm (sim's time is "
                    "always virtual, kernel's never)");
    }
    if (!options.kernel.engine.empty() && options.kernel.engine != "uml") {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("--time virtual: engine {} has none, only User-mode Linux of our "
                                "own build has: leave --engine out",
                                options.kernel.engine));
    }
    return {};
}

Result<void> check_repeat(const ExperimentOptions& options) {
    if (options.repeat == 1) return {};
    for (const std::string& world : options.worlds) {
        if (in_virtual_time(world, options.kernel)) continue;
        return fail(ErrorKind::invalid_argument,
                    fmt::format("--repeat: runs in {} are in real time and never alike: {}", world,
                                world == "vm" ? "add --time virtual"
                                              : "repeat them in --world sim, or in --world vm "
                                                "--time virtual"));
    }
    return {};
}

/// One job for each repeat of a run.
void add_jobs(const Job& run, ExperimentPlan& plan) {
    for (unsigned repeat = 1; repeat <= plan.repeats; ++repeat) {
        Job job = run;
        job.repeat = repeat;
        if (repeat > 1) job.name += fmt::format(", repeat {}", repeat);
        plan.jobs.push_back(std::move(job));
    }
}

}  // namespace

Result<ExperimentPlan> plan_experiment(const Scenario& scenario, const ExperimentOptions& options,
                                       Selection selection) {
    if (auto can = check_time(options); !can) return std::unexpected(can.error());
    if (auto can = check_repeat(options); !can) return std::unexpected(can.error());
    ExperimentPlan plan{.worlds = each_once(options.worlds),
                        .backends = chosen_backends(scenario, options, selection),
                        .seeds = {},
                        .repeats = options.repeat,
                        .jobs = {}};
    OVERLAB_TRY(plan.seeds, chosen_seeds(scenario, options));
    for (const std::string& backend : plan.backends) {
        OVERLAB_TRY(const Scenario variant, with_backend(scenario, backend));
        for (const std::string& world : plan.worlds) {
            for (const std::uint64_t seed : plan.seeds) {
                Job job{.name = backend, .world = world, .scenario = variant, .options = {}};
                if (plan.worlds.size() > 1) job.name += fmt::format(" ({})", world);
                if (plan.seeds.size() > 1) job.name += fmt::format(", seed {}", seed);
                job.options.seed = seed;
                job.options.kernel = options.kernel;
                if (world != "vm") job.options.kernel.virtual_time = false;
                add_jobs(job, plan);
            }
        }
    }
    return plan;
}

unsigned parallel_jobs(const ExperimentOptions& options) {
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    if (options.jobs != 0) return std::min(options.jobs, 2 * cores);
    const bool virtual_time = std::ranges::all_of(options.worlds, [&](const std::string& world) {
        return in_virtual_time(world, options.kernel);
    });
    return virtual_time ? cores : 1;
}

}  // namespace overlab::cli
