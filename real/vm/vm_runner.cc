#include "real/vm/vm_runner.h"

#include <fmt/format.h>

#include "real/vm/canary.h"
#include "real/vm/guest_engine.h"
#include "real/vm/guest_job.h"
#include "real/vm/guest_kernel.h"
#include "real/vm/uml_kernel.h"

namespace overlab::real {
namespace {

GuestNeeds missing(const GuestNeeds& needs, const GuestNeeds& has) {
    return {.esp = needs.esp && !has.esp,
            .netem = needs.netem && !has.netem,
            .wireguard = needs.wireguard && !has.wireguard,
            .ipip = needs.ipip && !has.ipip,
            .nat = needs.nat && !has.nat,
            .virtual_time = needs.virtual_time && !has.virtual_time};
}

/// Why an engine will not do; empty if it will.
std::string objection(const EngineState& state, const GuestNeeds& needs) {
    const GuestNeeds lacking = missing(needs, state.has);
    if (state.usable && lacking == GuestNeeds{}) return {};
    std::string text = fmt::format("\n  {}: {}", to_string(state.engine), state.why);
    if (state.usable) text += " lacks " + to_string(lacking);
    if (lacking.virtual_time && state.engine == GuestEngine::uml) {
        text += fmt::format("; {}", uml_kernel_remedy);
    } else if (!state.remedy.empty()) {
        text += fmt::format(" ({})", state.remedy);
    }
    return text;
}

}  // namespace

std::vector<EngineState> VmRunner::engines(const VmOptions& options) {
    std::vector<EngineState> states;
    for (const Engine& engine : all_engines) states.push_back(ask_engine(engine, options));
    return states;
}

Result<VmRunner> VmRunner::pick(const GuestNeeds& needs, std::optional<GuestEngine> wanted,
                                const VmOptions& options) {
    std::string objections;
    for (const Engine& engine : all_engines) {
        if (wanted && *wanted != engine.id) continue;
        // Nothing that can be done to another engine would give it a clock of its own.
        if (needs.virtual_time && engine.has_virtual_time == nullptr) continue;
        const std::string against = objection(ask_engine(engine, options), needs);
        if (against.empty()) return VmRunner(engine.id, options);
        objections += against;
    }
    return fail(ErrorKind::unsupported,
                fmt::format("no guest kernel here can do what is needed ({}):{}", to_string(needs),
                            objections));
}

Result<int> VmRunner::run(const GuestJob& job) const {
    if (auto fine = check_job(job); !fine) return std::unexpected(fine.error());
    if (job.virtual_time && engine_ != GuestEngine::uml) {
        return fail(
            ErrorKind::invalid_argument,
            fmt::format("{}: has no virtual time; User-mode Linux has", to_string(engine_)));
    }
    const Engine& engine = engine_of(engine_);
    const auto files = engine.find(options_, cache_of(options_));
    if (!files) {
        return fail(ErrorKind::unsupported, fmt::format("{}: {}; {}", to_string(engine_),
                                                        files.error().why, files.error().remedy));
    }
    return run_job(engine, *files, job);
}

Result<std::string> fetch_qemu_kernel(const VmOptions& options) {
    const Result<GuestKernel> kernel = fetch_guest_kernel(cache_of(options));
    if (!kernel) return std::unexpected(kernel.error());
    return kernel->version;
}

}  // namespace overlab::real
