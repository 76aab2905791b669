#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>

#include "cli/commands.h"
#include "cli/crosscheck_guests.h"
#include "cli/experiment.h"
#include "cli/interrupts.h"
#include "cli/report_problems.h"
#include "cli/terminal.h"
#include "models/crosscheck/history_file.h"
#include "real/base/run_folder.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

/// So many findings are made small and saved; the others are named.
constexpr std::size_t most_shrunk = 3;

struct CrosscheckOptions {
    std::string file;
    std::uint64_t histories = 200, seed = 1;
    std::optional<std::uint64_t> only;
    unsigned jobs = 2;
    std::string out = "overlab-out/crosscheck";
    Format format = Format::table;
};

struct CrosscheckResult {
    CrosscheckCounts counts;
    std::vector<CrosscheckFinding> findings;  ///< ascending; the first few are shrunk
    std::vector<std::string> files;           ///< one for each of the first few
    double elapsed_s = 0;
};

std::vector<HistoryShare> shares_of(const CrosscheckOptions& options) {
    if (!options.file.empty()) return {{.seed = options.seed, .file = fs::absolute(options.file)}};
    if (options.only) return {{.seed = options.seed, .first = *options.only}};
    const std::uint64_t jobs = std::min<std::uint64_t>(options.jobs, options.histories);
    std::vector<HistoryShare> shares;
    for (std::uint64_t job = 0; job < jobs; ++job) {
        const std::uint64_t first = options.histories * job / jobs;
        const std::uint64_t end = options.histories * (job + 1) / jobs;
        shares.push_back({.seed = options.seed, .first = first, .count = end - first});
    }
    return shares;
}

/// The first findings again, each in a guest, as small as they get.
Result<void> shrink_first(CrosscheckResult& result, const CrosscheckOptions& options,
                          const fs::path& scratch, Interrupts& interrupts) {
    const std::size_t count = std::min(most_shrunk, result.findings.size());
    for (std::size_t begin = 0; begin < count; begin += options.jobs) {
        std::vector<HistoryShare> shares;
        for (std::size_t i = begin; i < std::min<std::size_t>(count, begin + options.jobs); ++i) {
            shares.push_back({.seed = options.seed, .first = result.findings[i].index});
            shares.back().shrink = true;
        }
        Progress progress(shares.size(), is_terminal(Stream::error));
        OVERLAB_TRY(const std::vector<CrosscheckOutcome> outcomes,
                    run_in_guests(shares, scratch, interrupts, progress));
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            // A finding that does not show again is kept as it was drawn: worse than any other.
            if (outcomes[i].findings.empty()) {
                result.findings[begin + i].difference += "\nand it did not show a second time";
            } else {
                result.findings[begin + i] = outcomes[i].findings.front();
            }
        }
    }
    return {};
}

Result<void> save_first(CrosscheckResult& result, const CrosscheckOptions& options) {
    const std::size_t count = std::min(most_shrunk, result.findings.size());
    std::error_code problem;
    if (count > 0) fs::create_directories(options.out, problem);
    for (std::size_t i = 0; i < count; ++i) {
        const CrosscheckFinding& finding = result.findings[i];
        const std::string name = fmt::format("history-{}-{}", options.seed, finding.index);
        const std::string path = fs::path(options.out) / (name + ".json");
        std::ofstream file(path, std::ios::trunc);
        file << history_scenario(finding.history, name, finding.difference);
        file.close();
        if (!file) return fail(ErrorKind::unavailable, fmt::format("{}: cannot be written", path));
        result.files.push_back(path);
    }
    return {};
}

Result<CrosscheckResult> crosscheck(const CrosscheckOptions& options) {
    const auto start = std::chrono::steady_clock::now();
    OVERLAB_TRY(const real::RunFolder folder, real::RunFolder::create());
    Interrupts interrupts;
    const std::vector<HistoryShare> shares = shares_of(options);
    CrosscheckResult result;
    {
        Progress progress(shares.size(), is_terminal(Stream::error));
        OVERLAB_TRY(const std::vector<CrosscheckOutcome> outcomes,
                    run_in_guests(shares, folder.path(), interrupts, progress));
        for (const CrosscheckOutcome& outcome : outcomes) {
            result.counts.add(outcome.counts);
            result.findings.insert(result.findings.end(), outcome.findings.begin(),
                                   outcome.findings.end());
        }
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    result.elapsed_s = elapsed.count();
    if (!options.file.empty()) return result;  // it is small and saved already
    if (auto done = shrink_first(result, options, folder.path(), interrupts); !done) {
        return std::unexpected(done.error());
    }
    if (auto saved = save_first(result, options); !saved) return std::unexpected(saved.error());
    return result;
}

std::string replay_command(const CrosscheckOptions& options, const CrosscheckResult& result,
                           std::size_t finding) {
    if (!options.file.empty()) return "overlab crosscheck " + options.file;
    if (finding < result.files.size()) return "overlab crosscheck " + result.files[finding];
    return fmt::format("overlab crosscheck --seed {} --only {}", options.seed,
                       result.findings[finding].index);
}

void print_text(const CrosscheckOptions& options, const CrosscheckResult& result) {
    const CrosscheckCounts& counts = result.counts;
    const std::uint64_t run = counts.histories + result.findings.size();
    fmt::print("{} histories, {} steps, {} rows and {} probes compared; {:.1f} histories/s\n", run,
               counts.steps, counts.rows, counts.probe_count(),
               static_cast<double>(run) / result.elapsed_s);
    fmt::print("probes by disposition:");
    for (const auto& [disposition, count] : counts.probes) fmt::print(" {} {}", disposition, count);
    fmt::print("; {} left out\n", counts.probes_left_out);
    for (std::size_t i = 0; i < result.findings.size(); ++i) {
        const CrosscheckFinding& finding = result.findings[i];
        fmt::print("\nhistory {} differs {}\n", finding.index, finding.difference);
        if (finding.tries > 0) {
            fmt::print("shrunk to {} hosts and {} steps in {} tries{}\n",
                       finding.history.layout.hosts.size(), finding.history.steps.size(),
                       finding.tries, finding.minimal ? "" : ", not to the end");
        }
        fmt::print("replay: {}\n", replay_command(options, result, i));
    }
    fmt::print("{}\n", result.findings.empty()
                           ? "no difference"
                           : fmt::format("{} histories differ", result.findings.size()));
}

void print_json(const CrosscheckOptions& options, const CrosscheckResult& result) {
    using Json = nlohmann::json;
    const CrosscheckCounts& counts = result.counts;
    Json findings = Json::array();
    for (std::size_t i = 0; i < result.findings.size(); ++i) {
        const CrosscheckFinding& finding = result.findings[i];
        findings.push_back({{"history", finding.index},
                            {"difference", finding.difference},
                            {"replay", replay_command(options, result, i)},
                            {"steps", finding.history.steps.size()},
                            {"shrink_tries", finding.tries}});
    }
    const Json json{{"histories", counts.histories + result.findings.size()},
                    {"steps", counts.steps},
                    {"rows_compared", counts.rows},
                    {"probes_compared", counts.probe_count()},
                    {"probes_by_disposition", counts.probes},
                    {"probes_left_out", counts.probes_left_out},
                    {"elapsed_ns", static_cast<std::int64_t>(result.elapsed_s * 1e9)},
                    {"findings", findings},
                    {"overlab", 1}};
    fmt::print("{}\n", json.dump(2));
}

/// A file is read before a guest boots for it.
Result<void> check_file(const std::string& path) {
    if (path.empty()) return {};
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    if (text.str().empty()) {
        return fail(ErrorKind::not_found, fmt::format("{}: cannot be read, or empty", path));
    }
    const auto history = read_history_scenario(text.str());
    if (!history) return fail(history.error().kind, path + ": " + history.error().what);
    return {};
}

int run_crosscheck(const CrosscheckOptions& options) {
    if (const auto usable = check_file(options.file); !usable) {
        return report_error(usable.error().what, options.format);
    }
    const Result<CrosscheckResult> result = crosscheck(options);
    if (!result) return report_error(result.error().what, options.format);
    options.format == Format::json ? print_json(options, *result) : print_text(options, *result);
    return static_cast<int>(result->findings.empty() ? ExitCode::ok : ExitCode::expectation_failed);
}

}  // namespace

void add_crosscheck_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand(
        "crosscheck", "Judge the simulated hosts against a real kernel by random lease histories.");
    command->footer(
        "Runs in guest kernels in virtual time (`overlab kernel build` makes one); root is not "
        "needed.\n\n"
        "Examples:\n"
        "  overlab crosscheck --histories 2000 --seed 7\n"
        "  overlab crosscheck --seed 7 --only 1234\n"
        "  overlab crosscheck overlab-out/crosscheck/history-7-1234.json\n\n"
        "Exit codes: 0 both worlds are alike, 1 they differ, 2 bad input or no guest kernel.");
    const auto options = std::make_shared<CrosscheckOptions>();
    CLI::Option* file =
        command->add_option("file", options->file, "a history that was saved: replays it alone")
            ->option_text("FILE");
    command->add_option("--histories", options->histories, "how many")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000}))
        ->excludes(file)
        ->option_text("N (default: 200)");
    command->add_option("--seed", options->seed, "draws other histories")
        ->option_text("S (default: 1)");
    command->add_option("--only", options->only, "this history of the seed alone")
        ->excludes(file)
        ->option_text("I");
    command->add_option("--jobs", options->jobs, "guests at a time; the result is the same")
        ->check(CLI::Range(1U, 64U))
        ->option_text("N (default: 2)");
    command->add_option("--out", options->out, "where histories that differ are saved")
        ->option_text("FOLDER (default: overlab-out/crosscheck)");
    add_format_option(*command, options->format);
    command->callback(
        [options, &environment] { environment.exit_code = run_crosscheck(*options); });
}

}  // namespace overlab::cli
