// Capabilities: what this machine can do for the kernel world, found by doing it in a throw-away
// namespace, never by reading version numbers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "real/vm/vm_runner.h"

namespace overlab::real {

enum class Feature : std::uint8_t {
    namespaces,  ///< root, or unprivileged user namespaces
    tun,         ///< a TUN device can be made
    vxlan,
    ipip,
    wireguard,
    esp,       ///< an ESP state with AES-GCM can be added
    tbf,       ///< link rates
    netem,     ///< link delay and loss
    nftables,  ///< a masquerade rule loads
    iperf3,
    etcd,
    charon,
    tshark,
};
[[nodiscard]] std::string_view to_string(Feature feature);
/// What it is for, in a few words: `link delay and loss`.
[[nodiscard]] std::string_view purpose_of(Feature feature);

struct FeatureState {
    Feature feature = Feature::namespaces;
    bool available = false;
    std::string why;     ///< why not; empty if available
    std::string remedy;  ///< what to do; empty if there is nothing to do
    std::string note;    ///< of one that is available: what it cannot do nevertheless
};

/// All of them, in the order of the enum. Takes some tens of milliseconds; leaves nothing.
[[nodiscard]] std::vector<FeatureState> probe_features();

/// The backends that the kernel world knows, in the order of reports.
[[nodiscard]] std::span<const std::string_view> kernel_backends();

/// What stands between `backend` and the kernel world, in the order in which to mend it; empty:
/// nothing, or a backend that is unknown here.
[[nodiscard]] std::vector<Feature> missing_for(std::string_view backend,
                                               const std::vector<FeatureState>& features);

/// What `backend` needs of the kernel world; the first that is missing is the error (unsupported:
/// `ipsec: no ESP: ...; --world vm has it, or ...`). A backend that is unknown here is
/// invalid_argument.
[[nodiscard]] Result<void> can_run(std::string_view backend,
                                   const std::vector<FeatureState>& features);

/// The fittest guest kernel for `backend`. Programs are the machine's own in a guest too, which is
/// why `features` count. Errors: unsupported (what is missing of each engine), invalid_argument.
[[nodiscard]] Result<GuestEngine> guest_for(std::string_view backend,
                                            const std::vector<FeatureState>& features,
                                            const std::vector<EngineState>& engines);

}  // namespace overlab::real
