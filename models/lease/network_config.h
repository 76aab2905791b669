// The overlay network's configuration: flannel's net-conf.json / etcd `<prefix>/config`, every key,
// same defaults and rules, stricter about what can never work (SubnetMin after SubnetMax, say).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/net/address.h"

namespace overlab {

struct VxlanConfig {
    std::uint32_t vni = 1;   ///< 1..16777215
    std::uint16_t port = 0;  ///< 0: the kernel's default, 8472
    std::uint32_t mtu = 0;   ///< outer MTU; 0: the external interface's
    bool gbp = false;
    bool learning = false;
    bool direct_routing = false;
    [[nodiscard]] std::uint16_t udp_port() const { return port == 0 ? 8472 : port; }
};
struct HostGwConfig {};
struct UdpConfig {
    std::uint16_t port = 8285;
};
struct IpsecConfig {
    std::string psk;  ///< at least 96 characters; never logged
    std::string esp_proposal = "aes128gcm16-sha256-prfsha256-ecp256";
    bool udp_encap = false;
};
struct IpipConfig {
    bool direct_routing = false;
};
struct WireguardConfig {
    std::uint16_t listen_port = 51820;
    std::uint16_t listen_port_v6 = 51821;
    std::uint32_t mtu = 0;
    std::string psk;
    Duration persistent_keepalive;
    std::string mode = "separate";  ///< separate, auto, ipv4, ipv6
};
struct AllocConfig {};
struct ExtensionConfig {
    std::string pre_startup_command, post_startup_command;
    std::string subnet_add_command, subnet_remove_command;
};
struct TencentVpcConfig {
    std::string access_key_id, access_key_secret;
};

using BackendConfig = std::variant<VxlanConfig, HostGwConfig, UdpConfig, IpsecConfig, IpipConfig,
                                   WireguardConfig, AllocConfig, ExtensionConfig, TencentVpcConfig>;

/// The lower-case name used in `Backend.Type`: "vxlan", "host-gw", "udp", ...
[[nodiscard]] std::string_view backend_name(const BackendConfig& config);

struct NetworkConfig {
    bool enable_ipv4 = true;
    bool enable_ipv6 = false;
    bool enable_nftables = false;
    Ipv4Prefix network;  ///< set when enable_ipv4
    unsigned subnet_len = 24;
    Ipv4Address subnet_min, subnet_max;  ///< first address of the first / last usable subnet
    Ipv6Prefix ipv6_network;             ///< set when enable_ipv6
    unsigned ipv6_subnet_len = 64;
    Ipv6Address ipv6_subnet_min, ipv6_subnet_max;
    BackendConfig backend = UdpConfig{};  ///< flannel's default when `Backend` is absent

    /// How many subnets lie in SubnetMin..SubnetMax (of IPv6 if that is all there is; at most
    /// 2^64-1).
    [[nodiscard]] std::uint64_t subnet_count() const;
    /// True if `subnet` has the configured length and lies in Min..Max.
    [[nodiscard]] bool owns(Ipv4Prefix subnet) const;
    [[nodiscard]] bool owns(const Ipv6Prefix& subnet) const;
};

/// One wrong place in a configuration. `pointer` is a JSON pointer relative to the document.
struct ConfigProblem {
    std::string pointer;
    std::string message;  ///< what is wrong, what was expected, what to do
};

struct ParsedNetworkConfig {
    NetworkConfig config;                 ///< meaningful only when `problems` is empty
    std::vector<ConfigProblem> problems;  ///< empty: accepted
    std::vector<ConfigProblem> warnings;  ///< accepted, but probably not what was meant
};

/// Keys match without regard to case, as Go's JSON decoder does; an unknown key is a warning with
/// the nearest known key. Never throws. Malformed JSON is one problem at pointer "".
[[nodiscard]] ParsedNetworkConfig parse_network_config(std::string_view json);

}  // namespace overlab
