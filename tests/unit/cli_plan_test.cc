// What an experiment may ask for: virtual time where there is such a thing, repeats where runs can
// be alike; and the jobs that come of it.
#include "cli/experiment_plan.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::cli;

namespace {

Scenario vxlan_scenario() {
    Scenario scenario;
    scenario.name = "pair";
    scenario.seed = 7;
    scenario.network.backend = VxlanConfig{};
    return scenario;
}

ExperimentOptions asked(std::vector<std::string> worlds, bool virtual_time, unsigned repeat = 1) {
    ExperimentOptions options;
    options.worlds = std::move(worlds);
    options.kernel.virtual_time = virtual_time;
    options.repeat = repeat;
    return options;
}

std::vector<std::string> names_of(const std::vector<Job>& jobs) {
    std::vector<std::string> names;
    for (const Job& job : jobs) names.push_back(job.name);
    return names;
}

}  // namespace

TEST_CASE("Virtual time and repeats are refused where they cannot be, with what to do") {
    struct Row {
        const char* name;
        ExperimentOptions options;
        const char* engine;
        const char* message;  ///< a part of it; empty: allowed
    };
    const Row row = GENERATE(
        Row{"nothing asked for", asked({"sim"}, false), "", ""},
        Row{"virtual time in sim", asked({"sim"}, true), "", "add --world vm"},
        Row{"virtual time in kernel", asked({"sim", "kernel"}, true), "", "add --world vm"},
        Row{"virtual time in vm", asked({"vm"}, true), "", ""},
        Row{"virtual time in one of three", asked({"sim", "kernel", "vm"}, true), "", ""},
        Row{"virtual time in User-mode Linux", asked({"vm"}, true), "uml", ""},
        Row{"virtual time in KVM", asked({"vm"}, true), "kvm", "engine kvm has none"},
        Row{"virtual time in TCG", asked({"sim", "vm"}, true), "tcg", "leave --engine out"},
        Row{"repeats in sim", asked({"sim"}, false, 2), "", ""},
        Row{"repeats in vm's wall time", asked({"vm"}, false, 2), "", "add --time virtual"},
        Row{"repeats in vm's virtual time", asked({"sim", "vm"}, true, 2), "", ""},
        Row{"repeats in kernel", asked({"kernel"}, false, 2), "",
            "runs in kernel are in real time"},
        Row{"repeats in all", asked({"vm", "kernel"}, true, 2), "",
            "--world sim, or in --world vm"});
    INFO(row.name);
    ExperimentOptions options = row.options;
    options.kernel.engine = row.engine;

    const auto plan = plan_experiment(vxlan_scenario(), options, Selection::own);

    REQUIRE(plan.has_value() == std::string(row.message).empty());
    if (!plan) {
        REQUIRE(plan.error().kind == ErrorKind::invalid_argument);
        REQUIRE(plan.error().what.find(row.message) != std::string::npos);
    }
}

TEST_CASE("Repeats of a run are jobs of the same seed, one after another") {
    ExperimentOptions options = asked({"sim"}, false, 2);
    options.runs = 2;

    const auto plan = plan_experiment(vxlan_scenario(), options, Selection::own);

    REQUIRE(names_of(plan->jobs) ==
            std::vector<std::string>{"vxlan, seed 7", "vxlan, seed 7, repeat 2", "vxlan, seed 8",
                                     "vxlan, seed 8, repeat 2"});
    std::vector<unsigned> repeats;
    std::vector<std::uint64_t> seeds;
    for (const Job& job : plan->jobs) {
        repeats.push_back(job.repeat);
        seeds.push_back(job.options.seed);
    }
    REQUIRE(repeats == std::vector<unsigned>{1, 2, 1, 2});
    REQUIRE(seeds == std::vector<std::uint64_t>{7, 7, 8, 8});
}

TEST_CASE("Only guests are told of virtual time") {
    const auto plan =
        plan_experiment(vxlan_scenario(), asked({"sim", "kernel", "vm"}, true), Selection::own);

    REQUIRE(plan->jobs.size() == 3);
    for (const Job& job : plan->jobs)
        REQUIRE(job.options.kernel.virtual_time == (job.world == "vm"));
}

TEST_CASE("Runs in virtual time share the machine, one in real time has it to itself") {
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());

    REQUIRE(parallel_jobs(asked({"sim"}, false)) == cores);
    REQUIRE(parallel_jobs(asked({"sim", "vm"}, true)) == cores);
    REQUIRE(parallel_jobs(asked({"vm"}, false)) == 1);
    REQUIRE(parallel_jobs(asked({"vm", "kernel"}, true)) == 1);
    ExperimentOptions options = asked({"kernel"}, false);
    options.jobs = 2;
    REQUIRE(parallel_jobs(options) == 2);
    options.jobs = 1000;
    REQUIRE(parallel_jobs(options) == 2 * cores);
}
