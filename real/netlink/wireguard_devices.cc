#include "real/netlink/wireguard_devices.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

using PeerMap = std::map<WireguardKey, WireguardPeerRow>;

/// Each attribute between `first` and its end, `bytes` further on.
template <typename Visit>
void for_each(const void* first, std::size_t bytes, Visit visit) {
    const auto* each = static_cast<const nlattr*>(first);
    const char* const end = static_cast<const char*>(first) + bytes;
    for (; mnl_attr_ok(each, static_cast<int>(end - reinterpret_cast<const char*>(each)));
         each = mnl_attr_next(each)) {
        visit(each);
    }
}

template <typename Visit>
void for_each_in(const nlattr* nest, Visit visit) {
    for_each(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), visit);
}

template <typename Visit>
void for_each_of(const nlmsghdr& message, Visit visit) {
    const auto* first = mnl_nlmsg_get_payload_offset(&message, sizeof(genlmsghdr));
    const std::size_t skipped = MNL_ALIGN(sizeof(genlmsghdr));
    const std::size_t payload = mnl_nlmsg_get_payload_len(&message);
    if (payload > skipped) for_each(first, payload - skipped, visit);
}

void put_key(nlmsghdr* message, std::uint16_t type, const WireguardKey& key) {
    mnl_attr_put(message, type, key.bytes.size(), key.bytes.data());
}

WireguardKey read_key(const nlattr* attribute) {
    WireguardKey key;
    if (mnl_attr_get_payload_len(attribute) == key.bytes.size()) {
        std::memcpy(key.bytes.data(), mnl_attr_get_payload(attribute), key.bytes.size());
    }
    return key;
}

void put_endpoint(nlmsghdr* message, const WireguardPeerRow& row) {
    sockaddr_in endpoint{};
    endpoint.sin_family = AF_INET;
    endpoint.sin_port = htons(row.port);
    endpoint.sin_addr.s_addr = network_order(row.endpoint);
    mnl_attr_put(message, WGPEER_A_ENDPOINT, sizeof endpoint, &endpoint);
}

void read_endpoint(const nlattr* attribute, WireguardPeerRow& row) {
    sockaddr_in endpoint{};
    if (mnl_attr_get_payload_len(attribute) != sizeof endpoint) return;
    std::memcpy(&endpoint, mnl_attr_get_payload(attribute), sizeof endpoint);
    if (endpoint.sin_family != AF_INET) return;
    row.endpoint = address_from_network_order(endpoint.sin_addr.s_addr);
    row.port = ntohs(endpoint.sin_port);
}

void put_allowed(nlmsghdr* message, Ipv4Prefix prefix) {
    const Nest list(message, WGPEER_A_ALLOWEDIPS);
    const Nest one(message, 0);
    put_u16(message, WGALLOWEDIP_A_FAMILY, AF_INET);
    put_ipv4(message, WGALLOWEDIP_A_IPADDR, prefix.network);
    put_u8(message, WGALLOWEDIP_A_CIDR_MASK, prefix.length);
}

std::optional<Ipv4Prefix> read_allowed(const nlattr* attribute) {
    std::uint16_t family = 0;
    Ipv4Address address;
    std::uint8_t length = 0;
    for_each_in(attribute, [&](const nlattr* each) {
        switch (mnl_attr_get_type(each)) {
            case WGALLOWEDIP_A_FAMILY:
                family = mnl_attr_get_u16(each);
                break;
            case WGALLOWEDIP_A_IPADDR:
                if (mnl_attr_get_payload_len(each) == sizeof(std::uint32_t)) {
                    address = address_from_network_order(mnl_attr_get_u32(each));
                }
                break;
            case WGALLOWEDIP_A_CIDR_MASK:
                length = mnl_attr_get_u8(each);
                break;
            default:
                break;
        }
    });
    if (family != AF_INET || length > 32) return std::nullopt;
    return Ipv4Prefix::of(address, length);
}

/// Puts the peers of a device together from its messages.
struct PeerReader {
    PeerMap found;
    std::map<WireguardKey, bool> has_prefix;  ///< an IPv4 one, which `allowed` then is

    /// A peer with many prefixes comes in pieces, all but the first with its key and prefixes only.
    void read(const nlattr* attribute) {
        WireguardKey key;
        for_each_in(attribute, [&](const nlattr* each) {
            if (mnl_attr_get_type(each) == WGPEER_A_PUBLIC_KEY) key = read_key(each);
        });
        WireguardPeerRow& row = found[key];
        row.public_key = key;
        for_each_in(attribute, [&](const nlattr* each) { read_field(each, row); });
    }

    void read_field(const nlattr* field, WireguardPeerRow& row) {
        switch (mnl_attr_get_type(field)) {
            case WGPEER_A_PRESHARED_KEY:
                if (const WireguardKey psk = read_key(field); !psk.is_zero()) {
                    row.psk = WireguardPsk::of(psk);
                }
                break;
            case WGPEER_A_ENDPOINT:
                read_endpoint(field, row);
                break;
            case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
                row.keepalive_s = mnl_attr_get_u16(field);
                break;
            case WGPEER_A_ALLOWEDIPS:
                for_each_in(field, [&](const nlattr* each) {
                    const std::optional<Ipv4Prefix> prefix = read_allowed(each);
                    if (!prefix || std::exchange(has_prefix[row.public_key], true)) return;
                    row.allowed = *prefix;
                });
                break;
            default:
                break;
        }
    }
};

/// One attribute of a device.
void read_field(const nlattr* field, WireguardDevice& device, PeerReader& peers) {
    switch (mnl_attr_get_type(field)) {
        case WGDEVICE_A_PUBLIC_KEY:
            device.public_key = read_key(field);
            break;
        case WGDEVICE_A_LISTEN_PORT:
            device.port = mnl_attr_get_u16(field);
            break;
        case WGDEVICE_A_PEERS:
            for_each_in(field, [&](const nlattr* peer) { peers.read(peer); });
            break;
        default:
            break;
    }
}

void put_peer(nlmsghdr* message, const RowChange& change, const WireguardPeerRow& row) {
    const Nest list(message, WGDEVICE_A_PEERS);
    const Nest one(message, 0);
    put_key(message, WGPEER_A_PUBLIC_KEY, row.public_key);
    if (change.action == RowChange::Action::withdraw) {
        put_u32(message, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
        return;
    }
    put_u32(message, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
    put_key(message, WGPEER_A_PRESHARED_KEY, row.psk.key ? *row.psk.key : WireguardKey{});
    put_endpoint(message, row);
    put_u16(message, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, row.keepalive_s);
    put_allowed(message, row.allowed);
}

/// The family's number, which the kernel gives out when the module is loaded.
Result<std::uint16_t> find_family(NetlinkSocket& socket) {
    NetlinkBatch batch;
    nlmsghdr* const message = batch.add(GENL_ID_CTRL, 0, sizeof(genlmsghdr));
    NetlinkBatch::family_header<genlmsghdr>(message) = {
        .cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0};
    put_text(message, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
    std::uint16_t family = 0;
    const Result<void> asked = socket.query(batch, [&](const nlmsghdr& answer) {
        family = Attributes(answer, sizeof(genlmsghdr)).u16(CTRL_ATTR_FAMILY_ID).value_or(0);
    });
    if (asked && family != 0) return family;
    if (asked || asked.error().kind == ErrorKind::not_found) {
        return fail(ErrorKind::unsupported, "WireGuard: this kernel does not have it");
    }
    return std::unexpected(asked.error());
}

}  // namespace

void put_wireguard(NetlinkBatch& batch, const LinkRow& row) {
    nlmsghdr* const message = batch.add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(ifinfomsg));
    put_text(message, IFLA_IFNAME, row.name);
    put_u32(message, IFLA_MTU, row.mtu);
    const Nest info(message, IFLA_LINKINFO);
    put_text(message, IFLA_INFO_KIND, "wireguard");
}

Result<WireguardDevices> WireguardDevices::open(const Netns& netns) {
    OVERLAB_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_GENERIC, &netns));
    OVERLAB_TRY(const std::uint16_t family, find_family(socket));
    return WireguardDevices(std::move(socket), family);
}

nlmsghdr* WireguardDevices::add_message(NetlinkBatch& batch, std::uint8_t command,
                                        std::uint16_t flags, const LinkName& name) const {
    nlmsghdr* const message = batch.add(family_, flags, sizeof(genlmsghdr));
    NetlinkBatch::family_header<genlmsghdr>(message) = {
        .cmd = command, .version = WG_GENL_VERSION, .reserved = 0};
    put_text(message, WGDEVICE_A_IFNAME, name);
    return message;
}

Result<void> WireguardDevices::configure(const LinkName& name, const WireguardKey& private_key,
                                         std::uint16_t port) {
    NetlinkBatch batch;
    nlmsghdr* const message = add_message(batch, WG_CMD_SET_DEVICE, 0, name);
    put_key(message, WGDEVICE_A_PRIVATE_KEY, private_key);
    put_u16(message, WGDEVICE_A_LISTEN_PORT, port);
    return socket_.execute_one(batch);
}

std::vector<Result<void>> WireguardDevices::apply(std::span<const RowChange* const> changes) {
    std::vector<Result<void>> outcomes(changes.size());
    NetlinkBatch batch;
    std::vector<std::size_t> sent;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const auto& row = std::get<WireguardPeerRow>(changes[i]->row);
        const bool install = changes[i]->action == RowChange::Action::install;
        if (install && row.psk.given() && row.psk.key == nullptr) {
            outcomes[i] = fail(ErrorKind::invalid_argument,
                               "the row has the fingerprint of a pre-shared key, not the key");
            continue;
        }
        put_peer(add_message(batch, WG_CMD_SET_DEVICE, 0, row.link), *changes[i], row);
        sent.push_back(i);
    }
    if (sent.empty()) return outcomes;
    std::vector<Result<void>> answers = socket_.execute(batch);
    for (std::size_t i = 0; i < sent.size(); ++i) outcomes[sent[i]] = std::move(answers[i]);
    return outcomes;
}

Result<WireguardDevice> WireguardDevices::read(const LinkName& name) {
    NetlinkBatch batch;
    (void)add_message(batch, WG_CMD_GET_DEVICE, NLM_F_DUMP, name);  // it is whole as it is
    WireguardDevice device;
    PeerReader peers;
    const Result<void> asked = socket_.query(batch, [&](const nlmsghdr& message) {
        for_each_of(message, [&](const nlattr* each) { read_field(each, device, peers); });
    });
    if (!asked) return std::unexpected(asked.error());
    for (auto& [key, row] : peers.found) {
        if (!peers.has_prefix.contains(key) || row.endpoint.is_unspecified()) continue;
        row.link = name;
        device.peers.push_back(std::move(row));
    }
    return device;
}

}  // namespace overlab::real
