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

real::GuestNeeds needs_of(const Scenario& scenario, const KernelOptions& kernel) {
    const BackendConfig& backend = scenario.network.backend;
    const auto impaired = [](const UnderlayLink& link) {
        return link.loss_ppb > 0 || link.delay >= modelled_delay;
    };
    return {.esp = backend_name(backend) == "ipsec",
            .netem = std::ranges::any_of(scenario.underlay.links, impaired),
            .wireguard = backend_name(backend) == "wireguard",
            .ipip = backend_name(backend) == "ipip",
            .nat = kernel.ip_masq || kernel.forward_rules};
}

std::optional<real::GuestEngine> wanted_engine(const std::string& name) {
    for (const auto engine :
         {real::GuestEngine::kvm, real::GuestEngine::uml, real::GuestEngine::tcg}) {
        if (to_string(engine) == name) return engine;
    }
    return std::nullopt;
}

std::vector<std::string> guest_command(const Scenario& scenario, const RunOptions& options,
                                       const std::filesystem::path& outcome) {
    const KernelOptions& kernel = options.kernel;
    std::vector<std::string> argv{
        std::filesystem::read_symlink("/proc/self/exe").string(),
        "run-in-guest",
        kernel.scenario_file,
        "--backend=" + std::string(backend_name(scenario.network.backend)),
        fmt::format("--seed={}", options.seed),
        "--outcome=" + outcome.string(),
        fmt::format("--udp-mode={}",
                    kernel.udp_mode == KernelOptions::UdpMode::classic ? "classic" : "fast"),
        fmt::format("--links={}", kernel.link_offloads ? "fast" : "faithful")};
    if (!options.capture_dir.empty())
        argv.push_back("--capture=" + std::filesystem::absolute(options.capture_dir).string());
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
    const std::filesystem::path outcome = scratch / "outcome";
    OutcomeReader progress;
    std::string last_words;
    real::GuestJob job{.argv = guest_command(scenario, options, outcome),
                       .folder = std::filesystem::current_path(),
                       .writable = {scratch},
                       .limit = scenario.duration + guest_overhead};
    if (!options.capture_dir.empty())
        job.writable.push_back(std::filesystem::absolute(options.capture_dir));
    job.output = [&](std::string_view text) {
        // Progress lines among whatever else is printed there.
        if (!progress.feed(text)) last_words = text;
        const auto whole = static_cast<double>(scenario.duration.ns);
        if (options.progress)
            options.progress(static_cast<std::int64_t>(progress.fraction() * whole),
                             scenario.duration.ns);
    };
    OVERLAB_TRY(const int code, runner.run(job));
    OVERLAB_TRY(RunReport report, read_outcome(outcome, code, last_words));
    report.world = "vm";
    report.warnings.insert(report.warnings.begin(),
                           fmt::format("guest kernel ({}): timings are those of emulation",
                                       to_string(runner.engine())));
    return report;
}

}  // namespace overlab::cli
