#include "cli/guest_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/outcome.h"
#include "real/vm/vm_runner.h"

namespace overlab::cli {
namespace {

/// What the guest's start and end may take, beside the scenario's duration.
constexpr Duration guest_overhead = minutes(3);
/// Delays below this are not modelled on a kernel anyway (real/lab).
constexpr Duration modelled_delay = microseconds(100);
/// In virtual time a run takes what its work takes, whatever the scenario's duration.
constexpr Duration virtual_time_limit = minutes(30);

// Names in the guest are the same whoever runs us and wherever: what a process is given lies in its
// memory, and in virtual time nothing of a run may differ from the next. (Not below /run: a run has
// its own there.)
const std::filesystem::path guest_scratch = "/overlab/scratch";
const std::filesystem::path guest_captures = "/overlab/captures";
const std::filesystem::path guest_program = "/overlab/program";
constexpr const char* outcome_file = "outcome";

real::GuestNeeds needs_of(const Scenario& scenario, const KernelOptions& kernel) {
    const BackendConfig& backend = scenario.network.backend;
    const auto impaired = [](const UnderlayLink& link) {
        return link.loss_ppb > 0 || link.delay >= modelled_delay;
    };
    return {.esp = backend_name(backend) == "ipsec",
            .netem = std::ranges::any_of(scenario.underlay.links, impaired),
            .wireguard = backend_name(backend) == "wireguard",
            .ipip = backend_name(backend) == "ipip",
            .nat = kernel.ip_masq || kernel.forward_rules,
            .virtual_time = kernel.virtual_time};
}

std::optional<real::GuestEngine> wanted_engine(const std::string& name) {
    for (const auto engine :
         {real::GuestEngine::kvm, real::GuestEngine::uml, real::GuestEngine::tcg}) {
        if (to_string(engine) == name) return engine;
    }
    return std::nullopt;
}

std::vector<std::string> guest_command(const Scenario& scenario, const RunOptions& options,
                                       const std::filesystem::path& program) {
    const KernelOptions& kernel = options.kernel;
    std::vector<std::string> argv{
        (guest_program / program.filename()).string(),
        "run-in-guest",
        std::filesystem::path(kernel.scenario_file).filename().string(),
        "--backend=" + std::string(backend_name(scenario.network.backend)),
        fmt::format("--seed={}", options.seed),
        "--outcome=" + (guest_scratch / outcome_file).string(),
        fmt::format("--udp-mode={}",
                    kernel.udp_mode == KernelOptions::UdpMode::classic ? "classic" : "fast"),
        fmt::format("--links={}", kernel.link_offloads ? "fast" : "faithful")};
    if (kernel.virtual_time) argv.emplace_back("--time=virtual");
    if (!options.capture_dir.empty()) argv.push_back("--capture=" + guest_captures.string());
    if (kernel.ip_masq) argv.emplace_back("--ip-masq");
    if (kernel.forward_rules) argv.emplace_back("--forward-rules");
    if (options.keep_forwarding) argv.emplace_back("--keep-forwarding");
    return argv;
}

Result<RunReport> read_outcome(const std::filesystem::path& path, int code,
                               const std::string& last_words) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    OutcomeReader reader;
    if (reader.feed(text.str()) && reader.told()) return *reader.told();
    return fail(
        ErrorKind::unavailable,
        fmt::format("guest: the run ended without a result (exit code {}): {}", code, last_words));
}

}  // namespace

Result<RunReport> run_in_guest(const Scenario& scenario, const RunOptions& options) {
    OVERLAB_TRY(const real::VmRunner runner,
                real::VmRunner::pick(needs_of(scenario, options.kernel),
                                     wanted_engine(options.kernel.engine)));
    const std::filesystem::path scratch = options.kernel.scratch_dir;
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    OutcomeReader progress;
    std::string last_words;
    const bool virtual_time = options.kernel.virtual_time;
    real::GuestJob job{
        .argv = guest_command(scenario, options, program),
        .folder = std::filesystem::path(options.kernel.scenario_file).parent_path(),
        .writable = {{scratch, guest_scratch}, {program.parent_path(), guest_program}},
        .limit = virtual_time ? virtual_time_limit : scenario.duration + guest_overhead};
    if (virtual_time) job.virtual_time = {.seed = options.seed};
    if (!options.capture_dir.empty())
        job.writable.emplace_back(std::filesystem::absolute(options.capture_dir), guest_captures);
    job.output = [&](std::string_view text) {
        // Progress lines among whatever else is printed there.
        if (!progress.feed(text)) last_words = text;
        const auto whole = static_cast<double>(scenario.duration.ns);
        if (options.progress)
            options.progress(static_cast<std::int64_t>(progress.fraction() * whole),
                             scenario.duration.ns);
    };
    OVERLAB_TRY(const int code, runner.run(job));
    OVERLAB_TRY(RunReport report, read_outcome(scratch / outcome_file, code, last_words));
    report.world = "vm";
    if (!virtual_time) {
        report.warnings.insert(report.warnings.begin(),
                               fmt::format("guest kernel ({}): timings are those of emulation",
                                           to_string(runner.engine())));
    }
    return report;
}

}  // namespace overlab::cli
