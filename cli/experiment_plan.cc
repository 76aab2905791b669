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

}  // namespace

Result<ExperimentPlan> plan_experiment(const Scenario& scenario, const ExperimentOptions& options,
                                       Selection selection) {
    ExperimentPlan plan{.worlds = each_once(options.worlds),
                        .backends = chosen_backends(scenario, options, selection),
                        .seeds = {},
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
                plan.jobs.push_back(std::move(job));
            }
        }
    }
    return plan;
}

unsigned parallel_jobs(unsigned wanted, const std::vector<std::string>& worlds) {
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    if (wanted != 0) return std::min(wanted, 2 * cores);
    const bool virtual_time =
        std::ranges::all_of(worlds, [](const std::string& world) { return world == "sim"; });
    return virtual_time ? cores : 1;
}

}  // namespace overlab::cli
