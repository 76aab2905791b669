#include "real/doctor/capabilities.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "models/base/check.h"
#include "real/base/fd.h"
#include "real/base/process.h"
#include "real/base/sandbox.h"
#include "real/doctor/kernel_probes.h"
#include "real/ike/charon.h"

namespace overlab::real {
namespace {

struct Description {
    Feature feature;
    std::string_view name, purpose;
    std::string_view lacks;   ///< before the kernel's own words
    std::string_view remedy;  ///< empty: a program's, made from its package
};

/// In the order of the enum.
constexpr std::array descriptions{
    Description{Feature::namespaces, "namespaces", "hosts and pods", "no network namespaces",
                "run as root, or allow unprivileged user namespaces "
                "(sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=1000)"},
    Description{Feature::tun, "tun", "backend udp", "no TUN devices",
                "modprobe tun; in a container, pass /dev/net/tun in; or --world vm"},
    Description{Feature::vxlan, "vxlan", "backend vxlan", "this kernel has no vxlan",
                "modprobe vxlan, or --world vm"},
    Description{Feature::ipip, "ipip", "backend ipip", "this kernel has no ipip",
                "modprobe ipip, or --world vm"},
    Description{Feature::wireguard, "wireguard", "backend wireguard",
                "this kernel has no WireGuard", "modprobe wireguard, or --world vm"},
    Description{Feature::esp, "esp", "backend ipsec", "this kernel has no ESP (XFRM states)",
                "modprobe esp4, or --world vm"},
    Description{Feature::tbf, "tbf", "link rates", "links cannot have a rate",
                "modprobe sch_tbf, or --world vm"},
    Description{Feature::netem, "netem", "link delay and loss", "links cannot have delay or loss",
                "modprobe sch_netem, or --world vm"},
    Description{Feature::nftables, "nftables", "masquerading", "no NAT by nftables",
                "modprobe nft_masq nf_nat, or --world vm"},
    Description{Feature::iperf3, "iperf3", "bulk traffic", "not installed", ""},
    Description{Feature::etcd, "etcd", "store kind etcd", "not installed", ""},
    Description{Feature::charon, "charon", "backend ipsec", "not installed", ""},
    Description{Feature::tshark, "tshark", "tests that read captures", "not installed", ""},
};
static_assert([] {
    for (std::size_t i = 0; i < descriptions.size(); ++i) {
        if (descriptions[i].feature != static_cast<Feature>(i)) return false;
    }
    return descriptions.back().feature == Feature::tshark;
}());

const Description& describe(Feature feature) {
    return descriptions[static_cast<std::size_t>(feature)];
}

/// What a backend needs of a kernel and of the machine's programs.
struct Needs {
    std::string_view backend;
    std::optional<Feature> kernel, program;
    bool GuestNeeds::* guest = nullptr;  ///< beyond what every guest kernel has
};

constexpr std::array needs{
    Needs{"host-gw", {}, {}},
    Needs{"vxlan", Feature::vxlan, {}},
    Needs{"udp", Feature::tun, {}},
    Needs{"ipip", Feature::ipip, {}, &GuestNeeds::ipip},
    Needs{"wireguard", Feature::wireguard, {}, &GuestNeeds::wireguard},
    Needs{"ipsec", Feature::esp, Feature::charon, &GuestNeeds::esp},
};

Result<Needs> needs_of(std::string_view backend) {
    const auto* found = std::ranges::find(needs, backend, &Needs::backend);
    if (found != needs.end()) return *found;
    return fail(ErrorKind::invalid_argument,
                fmt::format("{}: not a backend of the kernel world; it has host-gw, vxlan, udp, "
                            "ipip, wireguard, ipsec",
                            backend));
}

Result<void> require(std::string_view backend, Feature feature,
                     const std::vector<FeatureState>& features) {
    const auto found = std::ranges::find(features, feature, &FeatureState::feature);
    CHECK(found != features.end());
    if (found->available) return {};
    return fail(ErrorKind::unsupported,
                fmt::format("{}: {}; {}", backend, found->why, found->remedy));
}

FeatureState missing(Feature feature, std::string_view words) {
    const Description& description = describe(feature);
    const bool closed =
        feature == Feature::tun &&
        (words.contains("Permission denied") || words.contains("not permitted"));  // EACCES, EPERM
    const std::string_view remedy =
        closed ? "run as root, or let others in: chmod 0666 /dev/net/tun; or --world vm"
               : description.remedy;
    return {.feature = feature,
            .available = false,
            .why = fmt::format("{}: {}", description.lacks, words),
            .remedy = std::string(remedy),
            .note = {}};
}

/// In the sandbox: a line for each probe, with nothing on it if it went well.
int run_probes(int pipe) {
    std::string lines;
    for (const KernelProbe& probe : kernel_probes()) {
        const auto outcome = probe.run();
        std::string words = outcome ? std::string() : outcome.error().what;
        std::ranges::replace(words, '\n', ' ');
        lines += words + '\n';
    }
    return ::write(pipe, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()) ? 0 : 1;
}

std::string read_all(int pipe) {
    std::string text;
    for (std::array<char, 4096> block{};;) {
        const ssize_t count = ::read(pipe, block.data(), block.size());
        if (count <= 0) return text;
        text.append(block.data(), static_cast<std::size_t>(count));
    }
}

std::vector<FeatureState> none_for(std::string_view why) {
    std::vector<FeatureState> states;
    for (const KernelProbe& probe : kernel_probes()) {
        states.push_back(missing(probe.feature, why));
        // What the kernel has cannot be told; this is what has to be done first.
        states.back().remedy = describe(Feature::namespaces).remedy;
    }
    return states;
}

std::vector<FeatureState> probe_kernel() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return none_for(std::strerror(errno));
    const Fd from(ends[0]);
    Fd to(ends[1]);
    const auto ran = run_in_sandbox([&] { return run_probes(to.get()); });
    to.close();
    if (!ran) return none_for("namespaces are not allowed here");
    const std::string lines = read_all(from.get());
    std::vector<FeatureState> states;
    std::size_t begin = 0;
    for (const KernelProbe& probe : kernel_probes()) {
        const std::size_t end = lines.find('\n', begin);
        if (end == std::string::npos) return none_for("the probing process died");
        const std::string words = lines.substr(begin, end - begin);
        states.push_back(words.empty() ? FeatureState{.feature = probe.feature, .available = true}
                                       : missing(probe.feature, words));
        begin = end + 1;
    }
    return states;
}

FeatureState probe_program(Feature feature) {
    if (feature == Feature::charon) {
        const CharonGaps gaps = charon_gaps();
        FeatureState state{.feature = feature, .available = gaps.starting.empty()};
        const std::string& gap = state.available ? gaps.rekeying : gaps.starting;
        const std::size_t cut = gap.find("; ");
        (state.available ? state.note : state.why) = gap.substr(0, cut);
        if (cut != std::string::npos) state.remedy = gap.substr(cut + 2);
        return state;
    }
    const std::string program(to_string(feature));
    if (!find_program(program).empty()) return {.feature = feature, .available = true};
    const std::string package = feature == Feature::etcd ? "etcd-server" : program;
    return {.feature = feature,
            .available = false,
            .why = fmt::format("{}: not installed", program),
            .remedy = fmt::format("apt-get install {}", package),
            .note = {}};
}

}  // namespace

std::string_view to_string(Feature feature) { return describe(feature).name; }
std::string_view purpose_of(Feature feature) { return describe(feature).purpose; }

std::vector<FeatureState> probe_features() {
    std::vector<FeatureState> states = probe_kernel();
    for (std::size_t i = states.size(); i < descriptions.size(); ++i) {
        states.push_back(probe_program(static_cast<Feature>(i)));
    }
    for (std::size_t i = 0; i < states.size(); ++i) {
        CHECK(states[i].feature == static_cast<Feature>(i));
    }
    return states;
}

std::span<const std::string_view> kernel_backends() {
    static constexpr auto names = [] {
        std::array<std::string_view, needs.size()> all;
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = needs[i].backend;
        return all;
    }();
    return names;
}

std::vector<Feature> missing_for(std::string_view backend,
                                 const std::vector<FeatureState>& features) {
    std::vector<Feature> missing;
    const auto need = needs_of(backend);
    if (!need) return missing;
    for (const std::optional<Feature> feature :
         {std::optional(Feature::namespaces), need->kernel, need->program}) {
        if (feature && !require(backend, *feature, features)) missing.push_back(*feature);
    }
    return missing;
}

Result<void> can_run(std::string_view backend, const std::vector<FeatureState>& features) {
    OVERLAB_TRY(const Needs need, needs_of(backend));
    const std::vector<Feature> missing = missing_for(need.backend, features);
    if (missing.empty()) return {};
    return require(backend, missing.front(), features);
}

Result<GuestEngine> guest_for(std::string_view backend, const std::vector<FeatureState>& features,
                              const std::vector<EngineState>& engines) {
    OVERLAB_TRY(const Needs need, needs_of(backend));
    if (need.program) {
        if (auto able = require(backend, *need.program, features); !able) {
            return std::unexpected(able.error());
        }
    }
    std::string reasons;
    for (const EngineState& engine : engines) {
        const bool fits = need.guest == nullptr || engine.has.*need.guest;
        if (engine.usable && fits) return engine.engine;
        std::string why = engine.usable ? fmt::format("{} has no {}", engine.why, backend)
                                        : fmt::format("{}; {}", engine.why, engine.remedy);
        if (engine.usable && need.kernel) {
            why = fmt::format("{} has no {}", engine.why, to_string(*need.kernel));
        }
        reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ",
                               real::to_string(engine.engine), why);
    }
    return fail(ErrorKind::unsupported, fmt::format("{}: {}", backend, reasons));
}

}  // namespace overlab::real
