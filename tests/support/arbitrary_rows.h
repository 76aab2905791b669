// Random rows for properties. Few distinct names and addresses, so that keys collide often.
#pragma once

#include <rapidcheck.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "models/forwarding/rows.h"

namespace overlab::test {

inline rc::Gen<Ipv4Address> any_address() {
    return rc::gen::map(rc::gen::arbitrary<std::uint32_t>(),
                        [](std::uint32_t bits) { return Ipv4Address{bits}; });
}

inline rc::Gen<Ipv4Prefix> any_prefix() {
    return rc::gen::map(rc::gen::pair(rc::gen::arbitrary<std::uint32_t>(), rc::gen::inRange(0, 33)),
                        [](const std::pair<std::uint32_t, int>& from) {
                            return Ipv4Prefix::of({from.first}, static_cast<unsigned>(from.second));
                        });
}

/// Prefixes of 10.0.0.0/8 that nest and repeat.
inline rc::Gen<Ipv4Prefix> crowded_prefix() {
    return rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 16), rc::gen::inRange(0, 33)),
                        [](const std::pair<int, int>& from) {
                            const auto low = static_cast<std::uint32_t>(from.first);
                            const std::uint32_t bits = 0x0a000000U | (low << 20) | (low << 9) | low;
                            return Ipv4Prefix::of({bits}, static_cast<unsigned>(from.second));
                        });
}

inline rc::Gen<MacAddress> any_mac() {
    return rc::gen::map(rc::gen::arbitrary<std::uint64_t>(),
                        [](std::uint64_t bits) { return MacAddress{bits & 0xffff'ffff'ffffU}; });
}

inline rc::Gen<LinkName> any_link() {
    return rc::gen::element<LinkName>("flannel.1", "flannel.2", "flannel0", "flannel.ipip",
                                      "flannel-wg", "eth0");
}

inline rc::Gen<std::uint16_t> any_port() { return rc::gen::arbitrary<std::uint16_t>(); }

inline Row draw_link() {
    LinkRow link;
    link.name = *any_link();
    link.local = *any_address();
    link.port = *any_port();
    link.mtu = *rc::gen::inRange(68U, 65536U);
    link.kind = *rc::gen::element(LinkRow::Kind::vxlan, LinkRow::Kind::tun, LinkRow::Kind::ipip,
                                  LinkRow::Kind::wireguard);
    if (link.kind == LinkRow::Kind::ipip) link.port = 0;
    if (link.kind == LinkRow::Kind::wireguard) link.local = {};
    if (link.kind != LinkRow::Kind::vxlan) return link;
    link.lower = *any_link();
    link.vni = *rc::gen::inRange(0U, 1U << 24);
    link.mac = *any_mac();
    link.learning = *rc::gen::arbitrary<bool>();
    return link;
}

inline rc::Gen<WireguardKey> any_key() {
    return rc::gen::map(
        rc::gen::container<std::vector<std::uint8_t>>(32, rc::gen::arbitrary<std::uint8_t>()),
        [](const std::vector<std::uint8_t>& bytes) {
            WireguardKey key;
            std::ranges::copy(bytes, key.bytes.begin());
            return key;
        });
}

/// Few keys, so that they repeat.
inline rc::Gen<WireguardKey> crowded_key() {
    return rc::gen::map(rc::gen::inRange<std::uint8_t>(1, 6), [](std::uint8_t byte) {
        WireguardKey key;
        key.bytes.fill(byte);
        return key;
    });
}

inline WireguardPeerRow draw_wireguard_peer() {
    return {.link = *any_link(),
            .public_key = *any_key(),
            .endpoint = *any_address(),
            .port = *any_port(),
            .keepalive_s = *any_port(),
            .allowed = *any_prefix(),
            .psk = *rc::gen::arbitrary<bool>() ? WireguardPsk::of(*any_key()) : WireguardPsk{}};
}

inline FilterRow draw_filter() {
    FilterRow filter{.kind = FilterRow::Kind::forward, .network = *any_prefix()};
    if (*rc::gen::arbitrary<bool>()) return filter;
    filter.kind = FilterRow::Kind::masquerade;
    filter.subnet = *any_prefix();
    filter.fully_random = *rc::gen::arbitrary<bool>();
    return filter;
}

inline Row draw_policy() {
    using Direction = PolicyRow::Direction;
    return PolicyRow{*rc::gen::element(Direction::out, Direction::in, Direction::fwd),
                     *any_prefix(),
                     *any_prefix(),
                     *any_address(),
                     *any_address(),
                     *rc::gen::arbitrary<std::uint32_t>()};
}

inline Row draw_route() {
    RouteRow route;
    route.destination = *any_prefix();
    route.link = *any_link();
    if (*rc::gen::arbitrary<bool>()) route.gateway = *any_address();
    route.onlink = *rc::gen::arbitrary<bool>();
    return route;
}

/// Inside a property: one row of any kind.
inline Row draw_row() {
    switch (*rc::gen::inRange(0, 10)) {
        case 0:
            return draw_link();
        case 1:
            return AddressRow{*any_link(), *any_prefix()};
        case 2:
            return NeighbourRow{*any_link(), *any_address(), *any_mac()};
        case 3:
            return FdbRow{*any_link(), *any_mac(), *any_address()};
        case 4:
            return TunnelPeerRow{*any_link(), *any_prefix(), *any_address(), *any_port()};
        case 5:
            return SaRow{*any_address(), *any_address(), *rc::gen::arbitrary<std::uint32_t>(),
                         *rc::gen::arbitrary<std::uint32_t>(), *any_port()};
        case 6:
            return draw_policy();
        case 7:
            return draw_wireguard_peer();
        case 8:
            return draw_filter();
        default:
            return draw_route();
    }
}

}  // namespace overlab::test
