// Capabilities: what this machine can do for the kernel world, found by doing it in a throw-away
// namespace, never by reading version numbers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"

namespace overlab::real {

enum class Feature : std::uint8_t {
    namespaces,  ///< root, or unprivileged user namespaces
    tun,         ///< /dev/net/tun opens
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

struct FeatureState {
    Feature feature = Feature::namespaces;
    bool available = false;
    std::string why;     ///< why not; empty if available
    std::string remedy;  ///< what to do; empty if available
};

/// All of them, in the order of the enum. Takes some tens of milliseconds; leaves nothing.
[[nodiscard]] std::vector<FeatureState> probe_features();

/// What `backend` needs of the kernel world; the first that is missing is the error (unsupported:
/// `ipsec: this kernel has no ESP (XFRM states); --world vm has it`).
[[nodiscard]] Result<void> can_run(std::string_view backend,
                                   const std::vector<FeatureState>& features);

}  // namespace overlab::real
