// Repeats with a world that can be told to be not quite deterministic.
#include "cli/repeats.h"

#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "cli/experiment_plan.h"
#include "tests/support/sample_report.h"
#include "tests/support/temp_folder.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::cli;
namespace fs = std::filesystem;

namespace {

/// What a run did: a report and captures by name.
struct Run {
    RunReport report = test::report_of("vxlan");
    std::map<std::string, std::string> captures{{"h1--h2.pcapng", "packets"}};
};

/// An experiment of one run and its repeats, in a result folder that is not yet in place.
class Repeated {
   public:
    explicit Repeated(unsigned repeats)
        : directory_(*ResultDirectory::create((folder_.path() / "out").string())) {
        Scenario scenario;
        scenario.name = "pair";
        scenario.network.backend = VxlanConfig{};
        ExperimentOptions options;
        options.repeat = repeats;
        plan_ = *plan_experiment(scenario, options, Selection::own);
        REQUIRE(place_captures(plan_.jobs, directory_));
    }

    /// Changes run `repeat`, from 1, before it is compared.
    std::vector<RepeatOutcome> outcomes(
        const std::function<void(unsigned repeat, Run& run)>& change) {
        std::vector<RunReport> reports;
        for (const Job& job : plan_.jobs) {
            Run run;
            change(job.repeat, run);
            for (const auto& [name, text] : run.captures)
                std::ofstream(fs::path(job.options.capture_dir) / name) << text;
            reports.push_back(run.report);
        }
        const auto compared = compare_repeats(plan_.jobs, reports, directory_);
        REQUIRE(compared.has_value());
        REQUIRE(first_reports(plan_.jobs, reports).size() == 1);
        return *compared;
    }

    /// All files of the result, by name.
    [[nodiscard]] std::vector<std::string> files() {
        REQUIRE(directory_.write("result.json", "{}"));
        REQUIRE(directory_.commit());
        std::vector<std::string> names;
        for (const auto& entry : fs::recursive_directory_iterator(folder_.path() / "out")) {
            if (entry.is_directory() && !fs::is_empty(entry)) continue;
            names.push_back(fs::relative(entry, folder_.path() / "out").string());
        }
        std::ranges::sort(names);
        return names;
    }

    [[nodiscard]] const std::vector<Job>& jobs() const { return plan_.jobs; }

   private:
    test::TempFolder folder_;
    ResultDirectory directory_;
    ExperimentPlan plan_;
};

}  // namespace

TEST_CASE("Repeats that are alike are counted and leave nothing but the first's captures") {
    Repeated run(5);

    const auto outcomes = run.outcomes([](unsigned, Run&) {});

    REQUIRE(outcomes.size() == 1);
    REQUIRE(outcomes[0].repeats == 5);
    REQUIRE(outcomes[0].identical == 5);
    REQUIRE(outcomes[0].differences.empty());
    REQUIRE(run.files() ==
            std::vector<std::string>{"captures/vxlan-seed1/h1--h2.pcapng", "result.json"});
}

TEST_CASE("A report that differs is told by its field, and both are kept") {
    Repeated run(3);

    const auto outcomes = run.outcomes([](unsigned repeat, Run& one) {
        if (repeat == 2) one.report.converged_ns += 1;
    });

    REQUIRE(outcomes[0].identical == 2);
    REQUIRE(outcomes[0].differences.size() == 1);
    REQUIRE(outcomes[0].differences[0].repeat == 2);
    REQUIRE(outcomes[0].differences[0].file == "repeats/vxlan-seed1/2/report.json");
    REQUIRE(outcomes[0].differences[0].what == "/converged_ns: 4200000 and 4200001");
    REQUIRE(run.files() == std::vector<std::string>{"captures/vxlan-seed1/h1--h2.pcapng",
                                                    "repeats/vxlan-seed1/1/report.json",
                                                    "repeats/vxlan-seed1/2/report.json",
                                                    "result.json"});
}

TEST_CASE("A capture that differs is told by its place, and both are kept") {
    Repeated run(3);

    const auto outcomes = run.outcomes([](unsigned repeat, Run& one) {
        one.captures["h2--h3.pcapng"] = "more packets";
        if (repeat == 3) one.captures["h1--h2.pcapng"] = "pockets";
    });

    REQUIRE(outcomes[0].identical == 2);
    REQUIRE(outcomes[0].differences.size() == 1);
    REQUIRE(outcomes[0].differences[0].file == "repeats/vxlan-seed1/3/h1--h2.pcapng");
    REQUIRE(outcomes[0].differences[0].what == "octet 1");
    REQUIRE(run.files() == std::vector<std::string>{"captures/vxlan-seed1/h1--h2.pcapng",
                                                    "captures/vxlan-seed1/h2--h3.pcapng",
                                                    "repeats/vxlan-seed1/3/h1--h2.pcapng",
                                                    "result.json"});
}

TEST_CASE("A capture that only one repeat has is a difference") {
    Repeated run(3);

    const auto outcomes = run.outcomes([](unsigned repeat, Run& one) {
        if (repeat == 2) one.captures.clear();
        if (repeat == 3) one.captures["h9--h9.pcapng"] = "";
    });

    REQUIRE(outcomes[0].identical == 1);
    REQUIRE(outcomes[0].differences.size() == 2);
    REQUIRE(outcomes[0].differences[0].file == "captures/vxlan-seed1/h1--h2.pcapng");
    REQUIRE(outcomes[0].differences[0].what == "only the first repeat has it");
    REQUIRE(outcomes[0].differences[1].file == "repeats/vxlan-seed1/3/h9--h9.pcapng");
    REQUIRE(outcomes[0].differences[1].what == "the first repeat has none");
}

TEST_CASE("A run that was not possible has not been repeated; one that was possible once differs") {
    Repeated never(2);
    REQUIRE(
        never.outcomes([](unsigned, Run& one) { one.report.unavailable = "no kernel"; }).empty());

    Repeated once(2);
    const auto outcomes = once.outcomes([](unsigned repeat, Run& one) {
        if (repeat == 2) one.report.unavailable = "no kernel";
    });
    REQUIRE(outcomes[0].identical == 1);
    REQUIRE(outcomes[0].differences[0].what == "/unavailable: \"\" and \"no kernel\"");
}

TEST_CASE("The result's captures are listed with their digests") {
    Repeated run(2);
    (void)run.outcomes([](unsigned, Run& one) { one.captures["h0--h1.pcapng"] = ""; });

    const auto captures = list_captures(run.jobs());

    REQUIRE(captures->size() == 2);
    REQUIRE(captures->at(0).file == "captures/vxlan-seed1/h0--h1.pcapng");
    REQUIRE(captures->at(0).bytes == 0);
    REQUIRE(captures->at(0).sha256 ==
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    REQUIRE(captures->at(1).file == "captures/vxlan-seed1/h1--h2.pcapng");
    REQUIRE(captures->at(1).bytes == 7);
}
