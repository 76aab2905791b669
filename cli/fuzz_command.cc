#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "cli/commands.h"
#include "cli/experiment.h"
#include "cli/fuzz_workers.h"
#include "cli/interrupts.h"
#include "cli/progress.h"
#include "cli/report_problems.h"
#include "cli/terminal.h"
#include "models/defect/defect.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

/// So many findings are saved; the others are named.
constexpr std::size_t most_saved = 20;

struct FuzzCommand {
    std::string seeds = "1..1000";
    double minutes = 0;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    std::string world = "control";
    std::string hosts = "2..8", faults = "10..30";
    double days = 0;  ///< 0: the world's usual
    std::string backend;
    std::vector<std::string> defects;
    std::string out = "overlab-out/fuzz";
    Format format = Format::table;
};

struct Span {
    std::uint64_t first = 0, last = 0;
};

/// `A..B`, or `A` alone.
Result<Span> parse_span(const std::string& option, std::string_view text) {
    const auto number = [](std::string_view digits) -> std::optional<std::uint64_t> {
        std::uint64_t value = 0;
        const auto [end, problem] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (problem != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
        return value;
    };
    const std::size_t dots = text.find("..");
    const auto first = number(text.substr(0, dots));
    const auto last = dots == std::string_view::npos ? first : number(text.substr(dots + 2));
    if (!first || !last || *first > *last) {
        return fail(
            ErrorKind::invalid_argument,
            fmt::format("{} {}: expected A..B with A not above B, such as 1..1000", option, text));
    }
    return Span{*first, *last};
}

Result<FuzzOptions> scenario_options(const FuzzCommand& command) {
    FuzzOptions options;
    OVERLAB_TRY(const Span hosts, parse_span("--hosts", command.hosts));
    OVERLAB_TRY(const Span faults, parse_span("--faults", command.faults));
    if (hosts.first < 1 || hosts.last > 32)
        return fail(ErrorKind::invalid_argument, "--hosts: 1 to 32 are possible");
    if (faults.last > 1000)
        return fail(ErrorKind::invalid_argument, "--faults: at most 1000 are possible");
    options.min_hosts = hosts.first;
    options.max_hosts = hosts.last;
    options.min_faults = faults.first;
    options.max_faults = faults.last;
    options.backend = command.backend;
    options.defects = command.defects;
    std::ranges::sort(options.defects);
    // Packets cost time: minutes with traffic there, a week without it here.
    options.traffic = command.world != "control";
    options.duration = options.traffic ? minutes(20) : hours(7 * 24);
    if (command.days > 0) options.duration = {static_cast<std::int64_t>(command.days * 86'400e9)};
    if (options.duration < minutes(15))
        return fail(ErrorKind::invalid_argument,
                    "--days: at least 0.0105 (15 minutes): a cluster needs time to heal");
    return options;
}

Result<FuzzPlan> plan_of(const FuzzCommand& command) {
    FuzzPlan plan{.jobs = command.jobs};
    OVERLAB_TRY(const Span seeds, parse_span("--seeds", command.seeds));
    plan.first = seeds.first;
    plan.last = seeds.last;
    if (command.minutes > 0) {
        plan.wall_s = static_cast<std::int64_t>(command.minutes * 60);
        // As many as there is time for, from the first on.
        plan.last = std::numeric_limits<std::int64_t>::max() / 2;
    }
    return plan;
}

std::string file_of(const FuzzCommand& command, const FuzzFinding& finding) {
    return fs::path(command.out) / fmt::format("fuzz-{}.json", finding.seed);
}

Result<void> save(const FuzzCommand& command, const std::vector<FuzzFinding>& findings) {
    std::error_code problem;
    if (!findings.empty()) fs::create_directories(command.out, problem);
    for (std::size_t i = 0; i < std::min(most_saved, findings.size()); ++i) {
        const std::string path = file_of(command, findings[i]);
        std::ofstream file(path, std::ios::trunc);
        file << findings[i].scenario;
        file.close();
        if (!file) return fail(ErrorKind::unavailable, path + ": cannot be written");
    }
    return {};
}

std::string replay_command(const FuzzCommand& command, const FuzzFinding& finding,
                           std::size_t index) {
    if (index < most_saved) {
        return fmt::format("overlab run {} --world {}", file_of(command, finding), command.world);
    }
    std::string again =
        fmt::format("overlab fuzz --seeds {0}..{0} --world {1}", finding.seed, command.world);
    if (command.days > 0) again += fmt::format(" --days {}", command.days);
    if (!command.backend.empty()) again += " --backend " + command.backend;
    for (const std::string& defect : command.defects) again += " --defect " + defect;
    return fmt::format("{} --hosts {} --faults {}", again, command.hosts, command.faults);
}

void print_text(const FuzzCommand& command, const FuzzOptions& options, const FuzzTotals& totals) {
    const double rate = static_cast<double>(totals.histories) / totals.elapsed_s;
    fmt::print(
        "{} histories of {} hosts over {:g} days, {} faults, {} events: {:.1f} s, {:.0f} "
        "histories/s on {} cores ({:.0f} a core)\n",
        totals.histories, command.hosts, static_cast<double>(options.duration.ns) / 86'400e9,
        totals.faults, totals.events, totals.elapsed_s, rate, command.jobs, rate / command.jobs);
    fmt::print("{} of them run twice\n", totals.run_twice);
    for (std::size_t i = 0; i < totals.findings.size(); ++i) {
        const FuzzFinding& finding = totals.findings[i];
        fmt::print("\nseed {}: {}\n", finding.seed, finding.what);
        if (finding.tries > 0) {
            fmt::print("shrunk to {} hosts and {} faults in {} tries{}\n", finding.hosts,
                       finding.faults, finding.tries, finding.minimal ? "" : ", not to the end");
        }
        fmt::print("replay: {}\n", replay_command(command, finding, i));
    }
    if (totals.interrupted) fmt::print("\ninterrupted\n");
    fmt::print("{}\n", totals.findings.empty()
                           ? "no failure"
                           : fmt::format("\n{} of {} histories failed", totals.findings.size(),
                                         totals.histories));
}

void print_json(const FuzzCommand& command, const FuzzOptions& options, const FuzzTotals& totals) {
    using Json = nlohmann::json;
    Json findings = Json::array();
    for (std::size_t i = 0; i < totals.findings.size(); ++i) {
        const FuzzFinding& finding = totals.findings[i];
        findings.push_back({{"seed", finding.seed},
                            {"invariant", finding.invariant},
                            {"what", finding.what},
                            {"hosts", finding.hosts},
                            {"faults", finding.faults},
                            {"shrink_tries", finding.tries},
                            {"replay", replay_command(command, finding, i)}});
    }
    const Json json{{"overlab", 1},
                    {"world", command.world},
                    {"histories", totals.histories},
                    {"duration_ns", options.duration.ns},
                    {"faults", totals.faults},
                    {"events", totals.events},
                    {"run_twice", totals.run_twice},
                    {"elapsed_ns", static_cast<std::int64_t>(totals.elapsed_s * 1e9)},
                    {"jobs", command.jobs},
                    {"interrupted", totals.interrupted},
                    {"findings", findings}};
    fmt::print("{}\n", json.dump(2));
}

int run_fuzz(const FuzzCommand& command, const Runners& runners) {
    const auto options = scenario_options(command);
    if (!options) return report_error(options.error().what, command.format);
    const auto plan = plan_of(command);
    if (!plan) return report_error(plan.error().what, command.format);
    const FuzzJudge judge(command.world, runners);
    const FuzzSeeds seeds(*options, judge);
    Interrupts interrupts;
    Result<FuzzTotals> totals;
    {
        Progress progress(1, is_terminal(Stream::error));
        totals = run_workers(*plan, seeds, interrupts, [&](double done, std::uint64_t histories) {
            progress.update(0, done);
            progress.draw({fmt::format("{} histories", histories)});
        });
    }
    if (!totals) return report_error(totals.error().what, command.format);
    if (const auto saved = save(command, totals->findings); !saved)
        return report_error(saved.error().what, command.format);
    command.format == Format::json ? print_json(command, *options, *totals)
                                   : print_text(command, *options, *totals);
    if (const int signal = interrupts.caught(); signal != 0) return 128 + signal;
    return static_cast<int>(totals->findings.empty() ? ExitCode::ok : ExitCode::expectation_failed);
}

std::vector<std::string> defect_names() {
    std::vector<std::string> names;
    for (const Defect& defect : known_defects()) names.emplace_back(defect.name);
    return names;
}

void declare(CLI::App& app, FuzzCommand& command) {
    app.add_option("--seeds", command.seeds, "the histories to run, one a seed")
        ->option_text("A..B (default: 1..1000)");
    app.add_option("--minutes", command.minutes, "instead: as many from A on as there is time for")
        ->check(CLI::Range(0.01, 10'000.0))
        ->option_text("M");
    app.add_option("--jobs", command.jobs, "processes; the findings are the same")
        ->check(CLI::Range(1U, 256U))
        ->option_text("N (default: one a core)");
    app.add_option("--world", command.world,
                   "control: the control plane alone, a week a history; sim: packets too, minutes")
        ->check(CLI::IsMember({"control", "sim"}))
        ->option_text("control|sim (default: control)");
    app.add_option("--hosts", command.hosts, "cluster sizes, 1 to 32")
        ->option_text("A..B (default: 2..8)");
    app.add_option("--faults", command.faults, "faults a history")
        ->option_text("A..B (default: 10..30)");
    app.add_option("--days", command.days, "length of a history in days of its own time")
        ->check(CLI::Range(0.001, 30.0))
        ->option_text("D (default: 7; with packets 20 minutes)");
    app.add_option("--backend", command.backend, "only this type")
        ->check(CLI::IsMember({"vxlan", "host-gw", "udp", "ipip", "ipsec"}))
        ->option_text("TYPE");
    app.add_option("--defect", command.defects, "switch on a known fault of other systems")
        ->check(CLI::IsMember(defect_names()))
        ->option_text("NAME (docs/zoo.md)");
    app.add_option("--out", command.out, "where scenarios that fail are saved")
        ->option_text("FOLDER (default: overlab-out/fuzz)");
    add_format_option(app, command.format);
}

}  // namespace

void add_fuzz_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand(
        "fuzz", "Run random clusters through random faults, and watch what must never be.");
    command->footer(
        "First faults, then peace: by the end every host must hold what the store says. What "
        "fails is made small\nand saved as a scenario.\n\n"
        "Examples:\n"
        "  overlab fuzz --seeds 1..20000\n"
        "  overlab fuzz --minutes 10 --backend vxlan\n"
        "  overlab fuzz --seeds 1..2000 --defect lost-lease-kept\n\n"
        "Exit codes: 0 nothing failed, 1 something did, 2 bad input.");
    const auto options = std::make_shared<FuzzCommand>();
    declare(*command, *options);
    command->callback([options, &environment] {
        environment.exit_code = run_fuzz(*options, environment.runners);
    });
}

}  // namespace overlab::cli
