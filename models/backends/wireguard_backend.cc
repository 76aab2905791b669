#include "models/backends/wireguard_backend.h"

#include <fmt/format.h>

#include "models/backends/peer_check.h"
#include "models/backends/wireguard_data.h"
#include "models/base/check.h"
#include "models/net/bytes.h"

namespace overlab {
namespace {

constexpr const char* device = "flannel-wg";

WireguardPsk psk_of(const std::string& text) {
    if (text.empty()) return {};
    const Result<WireguardKey> key = WireguardKey::parse(text);
    CHECK(key.has_value());  // parse_network_config() lets no other in
    return WireguardPsk::of(*key);
}

}  // namespace

WireguardBackend::WireguardBackend(const WireguardConfig& config, Ipv4Prefix network)
    : port_(config.listen_port),
      mtu_(config.mtu),
      keepalive_s_(static_cast<std::uint16_t>(config.persistent_keepalive.ns / seconds(1).ns)),
      psk_(psk_of(config.psk)),
      network_(network) {}

std::uint32_t WireguardBackend::overlay_mtu(std::uint32_t underlay_mtu) const {
    return mtu_inside(mtu_ == 0 ? underlay_mtu : mtu_, overhead);
}

LeaseAttributes WireguardBackend::attributes(const HostFacts& host, MacAddress /*vtep_mac*/) const {
    LeaseAttributes attributes;
    attributes.public_ip = host.external_address;
    attributes.backend_type = name();
    if (const auto key = WireguardKey::parse(host.wireguard_public_key)) {
        attributes.backend_data = to_json(WireguardData{*key, port_});
    }
    return attributes;
}

Plan WireguardBackend::plan_local(const LocalNode& local) const {
    Plan plan;
    if (local.host.wireguard_public_key.empty()) {
        plan.unsupported = fmt::format(
            "wireguard: {} has no WireGuard key, because this world or its kernel does no "
            "WireGuard; "
            "use --world kernel where the kernel has it, else --world vm",
            local.host.name);
        return plan;
    }
    plan.rows.emplace_back(LinkRow{
        .name = device,
        .kind = LinkRow::Kind::wireguard,
        .lower = {},
        .local = {},
        .port = port_,
        .mtu = overlay_mtu(local.host.external_mtu),
        .mac = {},
    });
    plan.rows.emplace_back(AddressRow{device, Ipv4Prefix::of(local.subnet.v4.network, 32)});
    plan.rows.emplace_back(RouteRow{network_, device, std::nullopt, false});
    return plan;
}

Plan WireguardBackend::plan_peer(const LocalNode& local, const Lease& peer, Reach /*reach*/) const {
    Plan plan;
    plan.unsupported = refuse_peer(name(), name(), local, peer);
    if (!plan.unsupported.empty()) return plan;
    const Result<WireguardData> data = parse_wireguard_data(peer.attributes.backend_data);
    if (!data) {
        plan.unsupported = fmt::format("wireguard: {}", data.error().what);
        return plan;
    }
    if (data->public_key.to_string() == local.host.wireguard_public_key) {
        plan.unsupported = fmt::format("wireguard: peer publishes this host's own public key {}",
                                       local.host.wireguard_public_key);
        return plan;
    }
    plan.rows.emplace_back(WireguardPeerRow{
        .link = device,
        .public_key = data->public_key,
        .endpoint = peer.attributes.public_ip,
        // A lease of an old flannel says no port: all hosts of one network share the configuration.
        .port = data->port.value_or(port_),
        .keepalive_s = keepalive_s_,
        .allowed = peer.subnet.v4,
        .psk = psk_,
    });
    return plan;
}

std::optional<std::uint64_t> WireguardBackend::claimed_identity(const Lease& peer) const {
    if (peer.attributes.backend_type != name()) return std::nullopt;
    const Result<WireguardData> data = parse_wireguard_data(peer.attributes.backend_data);
    if (!data) return std::nullopt;
    // Public keys are uniform: two with the same 8 bytes are one key, or somebody's 2^64 attempts.
    return load_be64(data->public_key.bytes.data());
}

std::string WireguardBackend::identity_text(const Lease& peer) const {
    const Result<WireguardData> data = parse_wireguard_data(peer.attributes.backend_data);
    CHECK(data.has_value());
    return "public key " + data->public_key.to_string();
}

}  // namespace overlab
