#include "models/backends/backend.h"

#include <fmt/format.h>

#include <variant>

#include "models/backends/host_gw_backend.h"
#include "models/backends/ipip_backend.h"
#include "models/backends/ipsec_backend.h"
#include "models/backends/udp_backend.h"
#include "models/backends/vxlan_backend.h"
#include "models/backends/wireguard_backend.h"

namespace overlab {
namespace {

/// One overload a backend; the last answers for those that overlab can parse but not plan.
struct Maker {
    const NetworkConfig& network;

    Result<std::unique_ptr<Backend>> operator()(const VxlanConfig& config) const {
        return std::make_unique<VxlanBackend>(config);
    }
    Result<std::unique_ptr<Backend>> operator()(const HostGwConfig&) const {
        return std::make_unique<HostGwBackend>();
    }
    Result<std::unique_ptr<Backend>> operator()(const UdpConfig& config) const {
        return std::make_unique<UdpBackend>(config, network.network);
    }
    Result<std::unique_ptr<Backend>> operator()(const IpsecConfig& config) const {
        return std::make_unique<IpsecBackend>(config);
    }
    Result<std::unique_ptr<Backend>> operator()(const IpipConfig& config) const {
        return std::make_unique<IpipBackend>(config);
    }
    Result<std::unique_ptr<Backend>> operator()(const WireguardConfig& config) const {
        if (config.mode == "ipv6") {
            return fail(ErrorKind::unsupported,
                        "backend wireguard: Mode ipv6 is not planned by overlab, whose endpoints "
                        "are IPv4; use one of separate, auto, ipv4");
        }
        return std::make_unique<WireguardBackend>(config, network.network);
    }
    template <typename Other>
    Result<std::unique_ptr<Backend>> operator()(const Other&) const {
        return fail(
            ErrorKind::unsupported,
            fmt::format("backend {}: not planned by overlab; use one of vxlan, host-gw, udp, "
                        "ipsec, ipip, wireguard",
                        backend_name(network.backend)));
    }
};

}  // namespace

Result<std::unique_ptr<Backend>> make_backend(const NetworkConfig& config) {
    if (!config.enable_ipv4) {
        return fail(ErrorKind::unsupported,
                    fmt::format("backend {}: networks without IPv4 are not planned by overlab; set "
                                "EnableIPv4",
                                backend_name(config.backend)));
    }
    return std::visit(Maker{config}, config.backend);
}

MacAddress draw_vtep_mac(Rng& rng) {
    constexpr std::uint64_t multicast_bit = std::uint64_t{1} << 40;
    constexpr std::uint64_t local_bit = std::uint64_t{2} << 40;
    return {(rng.below(std::uint64_t{1} << 48) & ~multicast_bit) | local_bit};
}

}  // namespace overlab
