#include "cli/check_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "cli/scenario_file.h"
#include "models/base/check.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

Problem problem(const std::string& file, std::string message) {
    return {.file = file, .pointer = {}, .line = 0, .column = 0, .message = std::move(message)};
}

/// Where a file has no `compare`, the usual types are filled in, and others besides for who asks
/// for them; what is listed in a file has no others.
bool compares_explicitly(const Scenario& scenario) {
    return scenario.compare_backend_json.size() == scenario.compare_backends.size();
}

/// Its own backend first, then those that it says it compares.
std::vector<std::string> backends_of(const Scenario& scenario) {
    std::vector<std::string> backends{std::string(backend_name(scenario.network.backend))};
    if (!compares_explicitly(scenario)) return backends;
    for (const std::string& type : scenario.compare_backends) {
        if (std::ranges::find(backends, type) == backends.end()) backends.push_back(type);
    }
    return backends;
}

/// Absent file: nothing. Errors: what stands in the way of reading it.
Result<std::optional<Golden>> read_golden(const std::string& path) {
    std::error_code failure;
    if (!fs::exists(path, failure)) return std::nullopt;
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file) return fail(ErrorKind::unavailable, "cannot be read");
    OVERLAB_TRY(Golden golden, parse_golden(text));
    return golden;
}

class Planner {
   public:
    Planner(const CheckOptions& options, CheckPlan& plan) : options_(options), plan_(plan) {}

    void add(CheckFile file) {
        PlannedScenario planned;
        planned.outcome.folder = file.folder;
        planned.outcome.name = file.name;
        planned.outcome.file = file.path;
        planned.first_job = plan_.jobs.size();
        auto loaded = load_scenario(file.path);
        if (!loaded) {
            planned.outcome.problems = std::move(loaded.error());
        } else if (loaded->scenario.large && !options_.large) {
            planned.outcome.left_out = true;
        } else {
            for (const Problem& warning : loaded->warnings)
                planned.outcome.warnings.push_back(warning.to_string());
            add_jobs(file, loaded->scenario, planned);
        }
        planned.file = std::move(file);
        plan_.scenarios.push_back(std::move(planned));
    }

   private:
    void add_jobs(const CheckFile& file, const Scenario& scenario, PlannedScenario& planned) {
        if (plan_.with_golden) {
            auto golden = read_golden(file.golden_path());
            if (golden) {
                planned.golden = std::move(*golden);
            } else if (!options_.update) {
                planned.outcome.problems.push_back(
                    problem(file.golden_path(), golden.error().what));
                return;
            }
        }
        std::error_code failure;
        const std::string absolute = fs::absolute(file.path, failure).string();
        for (const std::string& backend : backends_of(scenario)) {
            auto variant = with_backend(scenario, backend);
            CHECK(variant.has_value());  // the parser has checked each of them
            Job job{.name = fmt::format("{} {}", file.name, backend),
                    .world = options_.world,
                    .scenario = std::move(*variant),
                    .options = {}};
            job.options.seed = scenario.seed;
            job.options.keep_forwarding = true;
            job.options.kernel = options_.kernel;
            job.options.kernel.scenario_file = absolute;
            if (options_.world != "vm") job.options.kernel.virtual_time = false;
            plan_.jobs.push_back(std::move(job));
            plan_.owners.push_back(plan_.scenarios.size());
            ++planned.job_count;
        }
    }

    const CheckOptions& options_;
    CheckPlan& plan_;
};

}  // namespace

bool has_goldens(const CheckOptions& options) { return options.world == "sim"; }

Result<CheckPlan> plan_check(const CheckOptions& options) {
    OVERLAB_TRY(CheckFiles files, find_check_files(options.paths));
    CheckPlan plan;
    plan.with_golden = has_goldens(options);
    plan.not_scenarios = std::move(files.not_scenarios);
    plan.ownerless = std::move(files.ownerless);
    Planner planner(options, plan);
    for (CheckFile& file : files.scenarios) planner.add(std::move(file));
    return plan;
}

}  // namespace overlab::cli
