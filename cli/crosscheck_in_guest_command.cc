// `crosscheck-in-guest`: what `crosscheck` starts inside its guest kernels. Not for people, so not
// listed.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "cli/commands.h"
#include "cli/crosscheck_outcome.h"
#include "cli/experiment.h"
#include "models/crosscheck/history_file.h"
#include "models/crosscheck/history_generator.h"
#include "models/crosscheck/shrink.h"
#include "real/base/run_folder.h"

namespace overlab::cli {
namespace {

struct Order {
    std::uint64_t seed = 1, first = 0, count = 1;
    std::string file;  ///< instead of drawn histories
    std::string outcome;
    bool shrink = false;
};

Result<History> history_at(const Order& order, std::uint64_t index) {
    if (order.file.empty()) return generate_history(order.seed, index);
    std::ostringstream text;
    text << std::ifstream(order.file).rdbuf();
    return read_history_scenario(text.str());
}

void tell_progress(std::uint64_t done, std::uint64_t count) {
    if (done % (count / 100 + 1) != 0 && done != count) return;
    fmt::print("p {} {}\n", done, count);
    std::fflush(stdout);  // Standard output is a pipe.
}

/// The finding again, of a history that is as small as it gets.
Result<CrosscheckFinding> shrunk(const CrossSides& sides, CrosscheckFinding finding) {
    Crosscheck check(*sides.sim, *sides.kernel);
    std::optional<Error> problem;
    const Shrunk small = shrink(finding.history, [&](const History& candidate) {
        const auto found = check.run(candidate);
        if (!found && !problem) problem = found.error();
        return found && *found;
    });
    if (problem) return std::unexpected(*problem);
    OVERLAB_TRY(const std::optional<CrossDifference> found, check.run(small.history));
    if (found) finding.difference = found->to_string();
    finding.history = small.history;
    finding.tries = small.tries;
    finding.minimal = small.minimal;
    return finding;
}

Result<CrosscheckOutcome> run(const Order& order, const MakeCrossSides& make_sides) {
    OVERLAB_TRY(const real::RunFolder folder, real::RunFolder::create("/dev/shm"));
    OVERLAB_TRY(const CrossSides sides, make_sides(folder.path()));
    Crosscheck check(*sides.sim, *sides.kernel);
    CrosscheckOutcome outcome;
    for (std::uint64_t i = 0; i < order.count; ++i) {
        OVERLAB_TRY(History history, history_at(order, order.first + i));
        auto found = check.run(history);
        if (!found) {
            Error error = found.error();
            error.what = fmt::format("history {}: {}", order.first + i, error.what);
            return std::unexpected(std::move(error));
        }
        tell_progress(i + 1, order.count);
        if (!*found) continue;
        CrosscheckFinding finding{.index = order.first + i,
                                  .difference = (*found)->to_string(),
                                  .history = std::move(history)};
        if (order.shrink) {
            OVERLAB_TRY(finding, shrunk(sides, std::move(finding)));
        }
        outcome.findings.push_back(std::move(finding));
    }
    outcome.counts = check.counts();
    return outcome;
}

int run_and_tell(const Order& order, const MakeCrossSides& make_sides) {
    std::ofstream file(order.outcome, std::ios::trunc);
    file << encode_outcome(run(order, make_sides));
    file.close();
    return static_cast<int>(file ? ExitCode::ok : ExitCode::unusable);
}

}  // namespace

void add_crosscheck_in_guest_command(CLI::App& app, Environment& environment) {
    CLI::App* command =
        app.add_subcommand("crosscheck-in-guest", "What `crosscheck` runs in its guests.");
    command->group("");  // Hidden.
    const auto order = std::make_shared<Order>();
    command->add_option("--seed", order->seed);
    command->add_option("--first", order->first);
    command->add_option("--count", order->count);
    command->add_option("--history", order->file);
    command->add_option("--outcome", order->outcome)->required();
    command->add_flag("--shrink", order->shrink);
    command->callback([order, &environment] {
        environment.exit_code = run_and_tell(*order, environment.cross_sides);
    });
}

}  // namespace overlab::cli
