// Sources: flannel's Documentation/backends.md and each backend's own decoding (v0.20.2 to v0.28).
// Where flannel accepts what the kernel then refuses (VNI 2^24, UDP port 0), the value is a problem
// here.
#include "models/lease/backend_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "models/base/suggest.h"
#include "models/lease/field_reader.h"
#include "models/net/wireguard_key.h"

namespace overlab {
namespace {

constexpr FieldRange port_range{1, 65535};
constexpr FieldRange port_or_default_range{0, 65535};
constexpr FieldRange vni_range{1, (1 << 24) - 1};  // RFC 7348 §5: 24 bits; Linux keeps 0 for "none"
constexpr std::size_t min_psk_characters = 96;
constexpr std::int64_t min_mtu_ipv4 = 576;   // RFC 791: every host takes datagrams of 576 bytes
constexpr std::int64_t min_mtu_ipv6 = 1280;  // RFC 8200 §5
constexpr std::int64_t max_mtu = 65535;
constexpr std::int64_t jumbo_mtu = 9216;  // the most that common switches and NICs carry

// load-bearing: messages list the types in this order; the index finds the reader below.
constexpr std::array<std::string_view, 9> types{
    "vxlan", "host-gw", "udp", "ipsec", "ipip", "wireguard", "alloc", "extension", "tencent-vpc"};
constexpr std::array<std::string_view, 3> removed_types{"aws-vpc", "gce", "ali-vpc"};

template <typename T>
void assign(T& field, std::optional<std::int64_t> value) {
    if (value) field = static_cast<T>(*value);
}
void assign(bool& field, std::optional<bool> value) { field = value.value_or(field); }
void assign(std::string& field, std::optional<std::string> value) {
    if (value) field = std::move(*value);
}

// The external interface's MTU, from which the backend subtracts `overhead` bytes. 0: take the
// interface's.
void read_outer_mtu(FieldReader& fields, std::uint32_t& mtu, Families families,
                    std::int64_t overhead) {
    const auto value = fields.integer("MTU", {0, max_mtu});
    if (!value) return;
    const std::int64_t least = families.ipv6 ? min_mtu_ipv6 + overhead : min_mtu_ipv4;
    if (*value != 0 && *value < least) {
        fields.problem("MTU", fmt::format("must be 0 (the interface's) or at least {}{}, is {}",
                                          least, families.ipv6 ? " with IPv6" : "", *value));
        return;
    }
    if (*value > jumbo_mtu) {
        fields.warning("MTU", fmt::format("{} is more than Ethernet equipment usually carries ({})",
                                          *value, jumbo_mtu));
    }
    mtu = static_cast<std::uint32_t>(*value);
}

VxlanConfig read_vxlan(FieldReader& fields, Families families) {
    constexpr std::string_view windows_only = "has an effect on Windows only; ignored";
    VxlanConfig config;
    assign(config.vni, fields.integer("VNI", vni_range));
    assign(config.port, fields.integer("Port", port_or_default_range));
    read_outer_mtu(fields, config.mtu, families,
                   70);  // outer IPv6 40 + UDP 8 + VXLAN 8 + Ethernet 14
    assign(config.gbp, fields.boolean("GBP"));
    assign(config.learning, fields.boolean("Learning"));
    assign(config.direct_routing, fields.boolean("DirectRouting"));
    fields.ignored("MacPrefix", windows_only);
    fields.ignored("Name", windows_only);
    return config;
}

UdpConfig read_udp(FieldReader& fields) {
    UdpConfig config;
    assign(config.port, fields.integer("Port", port_range));
    return config;
}

IpsecConfig read_ipsec(FieldReader& fields) {
    IpsecConfig config;
    if (auto psk = fields.string("PSK")) {
        if (psk->size() < min_psk_characters) {
            fields.problem("PSK",
                           fmt::format("must have at least {} characters, has {}; make one with: "
                                       "openssl rand -hex 48",
                                       min_psk_characters, psk->size()));
        }
        config.psk = std::move(*psk);
    } else if (fields.find("PSK") == nullptr) {
        fields.problem("PSK", fmt::format("is required: a shared secret of at least {} characters",
                                          min_psk_characters));
    }
    if (auto proposal = fields.string("ESPProposal")) {
        if (proposal->empty()) {
            fields.problem("ESPProposal",
                           "must not be empty; leave it out to get " + config.esp_proposal);
        }
        config.esp_proposal = std::move(*proposal);
    }
    assign(config.udp_encap, fields.boolean("UDPEncap"));
    return config;
}

IpipConfig read_ipip(FieldReader& fields) {
    IpipConfig config;
    assign(config.direct_routing, fields.boolean("DirectRouting"));
    return config;
}

WireguardConfig read_wireguard(FieldReader& fields, Families families) {
    constexpr std::array<std::string_view, 4> modes{"separate", "auto", "ipv4", "ipv6"};
    WireguardConfig config;
    assign(config.listen_port, fields.integer("ListenPort", port_range));
    assign(config.listen_port_v6, fields.integer("ListenPortV6", port_range));
    read_outer_mtu(fields, config.mtu, families, 80);
    if (auto psk = fields.string("PSK")) {
        if (!psk->empty() && !WireguardKey::parse(*psk)) {
            fields.problem("PSK", "must be a key as `wg genpsk` prints it: 44 base64 characters");
        }
        config.psk = std::move(*psk);
    }
    if (auto interval = fields.integer("PersistentKeepaliveInterval", {0, 65535})) {
        config.persistent_keepalive = seconds(*interval);
    }
    if (auto mode = fields.string("Mode")) {
        if (std::ranges::find(modes, *mode) == modes.end()) {
            fields.problem("Mode",
                           fmt::format("must be one of {}, is \"{:.64}\"{}", fmt::join(modes, ", "),
                                       *mode, did_you_mean(*mode, modes)));
        } else {
            config.mode = std::move(*mode);
        }
    }
    if (config.mode == "separate" && families.ipv4 && families.ipv6 &&
        config.listen_port == config.listen_port_v6) {
        fields.problem(
            "ListenPortV6",
            fmt::format("must differ from ListenPort ({}) in mode separate", config.listen_port));
    }
    return config;
}

ExtensionConfig read_extension(FieldReader& fields) {
    ExtensionConfig config;
    assign(config.pre_startup_command, fields.string("PreStartupCommand"));
    assign(config.post_startup_command, fields.string("PostStartupCommand"));
    assign(config.subnet_add_command, fields.string("SubnetAddCommand"));
    assign(config.subnet_remove_command, fields.string("SubnetRemoveCommand"));
    fields.ignored("ShutdownCommand", "stands in old samples but is never run; ignored");
    return config;
}

TencentVpcConfig read_tencent_vpc(FieldReader& fields) {
    TencentVpcConfig config;
    assign(config.access_key_id, fields.string("AccessKeyID"));
    assign(config.access_key_secret, fields.string("AccessKeySecret"));
    return config;
}

BackendConfig read_by_type(std::string_view type, FieldReader& fields, Families families) {
    if (type == "vxlan") return read_vxlan(fields, families);
    if (type == "host-gw") return HostGwConfig{};
    if (type == "ipsec") return read_ipsec(fields);
    if (type == "ipip") return read_ipip(fields);
    if (type == "wireguard") return read_wireguard(fields, families);
    if (type == "alloc") return AllocConfig{};
    if (type == "extension") return read_extension(fields);
    if (type == "tencent-vpc") return read_tencent_vpc(fields);
    return read_udp(fields);
}

void check_families(std::string_view type, FieldReader& fields, Families families) {
    constexpr std::array<std::string_view, 4> ipv4_only{"udp", "ipip", "ipsec", "tencent-vpc"};
    if (!families.ipv6 || std::ranges::find(ipv4_only, type) == ipv4_only.end()) return;
    if (families.ipv4) {
        fields.warning(
            "Type", fmt::format("{} carries IPv4 only; the IPv6 network stays unconnected", type));
    } else {
        fields.problem("Type", fmt::format("{} carries IPv4 only, but EnableIPv4 is false", type));
    }
}

// The lower-cased type if it can be used, else nothing (and a problem noted).
std::optional<std::string> read_type(FieldReader& fields) {
    const auto written = fields.string("Type");
    if (!written) {
        if (fields.find("Type") == nullptr) {
            fields.problem("Type", fmt::format("is required inside Backend: one of {}",
                                               fmt::join(types, ", ")));
        }
        return std::nullopt;
    }
    std::string type = to_lower(*written);
    if (std::ranges::find(types, type) != types.end()) return type;
    if (std::ranges::find(removed_types, type) != removed_types.end()) {
        fields.problem("Type", fmt::format("{} was removed from flannel in v0.20; use one of {}",
                                           type, fmt::join(types, ", ")));
    } else {
        fields.problem("Type", fmt::format("unknown backend type \"{:.64}\"{}; known: {}", *written,
                                           did_you_mean(type, types), fmt::join(types, ", ")));
    }
    return std::nullopt;
}

}  // namespace

std::span<const std::string_view> backend_types() { return types; }

std::string_view backend_name(const BackendConfig& config) {
    struct Name {
        std::string_view operator()(const VxlanConfig&) const { return "vxlan"; }
        std::string_view operator()(const HostGwConfig&) const { return "host-gw"; }
        std::string_view operator()(const UdpConfig&) const { return "udp"; }
        std::string_view operator()(const IpsecConfig&) const { return "ipsec"; }
        std::string_view operator()(const IpipConfig&) const { return "ipip"; }
        std::string_view operator()(const WireguardConfig&) const { return "wireguard"; }
        std::string_view operator()(const AllocConfig&) const { return "alloc"; }
        std::string_view operator()(const ExtensionConfig&) const { return "extension"; }
        std::string_view operator()(const TencentVpcConfig&) const { return "tencent-vpc"; }
    };
    return std::visit(Name{}, config);
}

BackendConfig parse_backend_config(const JsonValue& backend, const std::string& pointer,
                                   Families families, ParsedNetworkConfig& report) {
    if (backend.kind != JsonValue::Kind::object) {
        report.problems.push_back(
            {pointer, fmt::format(R"(must be an object such as {{"Type": "vxlan"}}, is {})",
                                  backend.kind_name())});
        return UdpConfig{};
    }
    FieldReader fields(backend, pointer, report);
    const auto type = read_type(fields);
    // Without a type it is unknown which keys are right, so none is judged.
    if (!type) return UdpConfig{};
    BackendConfig config = read_by_type(*type, fields, families);
    check_families(*type, fields, families);
    fields.finish();
    return config;
}

}  // namespace overlab
