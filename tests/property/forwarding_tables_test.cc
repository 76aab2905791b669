// The compact tables against the plain ones that they must agree with.
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "models/forwarding/prefix_map.h"
#include "models/forwarding/tables.h"
#include "tests/support/arbitrary_rows.h"
#include "tests/support/fake_host_stack.h"
#include "tests/support/property.h"

using namespace overlab;

namespace {

/// Longest-prefix match as its definition says.
std::optional<std::pair<Ipv4Prefix, int>> naive_match(const std::map<Ipv4Prefix, int>& routes,
                                                      Ipv4Address address) {
    std::optional<std::pair<Ipv4Prefix, int>> best;
    for (const auto& [prefix, value] : routes) {
        if (!prefix.contains(address)) continue;
        if (!best || prefix.length > best->first.length) best = {prefix, value};
    }
    return best;
}

Ipv4Address near_some_prefix() {
    const Ipv4Prefix prefix = *test::crowded_prefix();
    return {prefix.network.bits ^ *rc::gen::element(0U, 1U, 0x100U, 0x10000U, 0x80000000U)};
}

/// A row on the devices that the host in the test has, of a kind that takes no part in side
/// effects.
Row draw_table_row() {
    switch (*rc::gen::inRange(0, 7)) {
        case 0:
            return NeighbourRow{"flannel.1", *test::any_address(), *test::any_mac()};
        case 1:
            return FdbRow{
                "flannel.1", {*rc::gen::inRange<std::uint64_t>(1, 8)}, near_some_prefix()};
        case 2:
            return TunnelPeerRow{"flannel0", *test::crowded_prefix(), near_some_prefix(), 8285};
        case 3: {
            const Ipv4Prefix here = *test::crowded_prefix();
            return PolicyRow{
                PolicyRow::Direction::out, here, *test::crowded_prefix(), {1}, {2}, 11};
        }
        case 4: {
            WireguardPeerRow peer = test::draw_wireguard_peer();
            peer.link = "flannel-wg";
            peer.public_key = *test::crowded_key();
            return peer;
        }
        case 5: {
            FilterRow filter = test::draw_filter();
            filter.network = *test::crowded_prefix();
            return filter;
        }
        default:
            return RouteRow{*test::crowded_prefix(), "flannel0", std::nullopt, false};
    }
}

}  // namespace

TEST_CASE("the longest prefix is found as a naive search finds it", "[forwarding]") {
    test::holds([] {
        PrefixMap<int> map;
        std::map<Ipv4Prefix, int> naive;
        for (int i = 0; i < 60; ++i) {
            const Ipv4Prefix prefix = *test::crowded_prefix();
            if (*rc::gen::inRange(0, 3) == 0) {
                RC_ASSERT(map.erase(prefix) == (naive.erase(prefix) > 0));
            } else {
                RC_ASSERT(map.put(prefix, i) == naive.insert_or_assign(prefix, i).second);
            }
            RC_ASSERT(map.size() == naive.size());

            const Ipv4Address address = near_some_prefix();
            const auto found = map.match(address);
            const auto expected = naive_match(naive, address);
            RC_ASSERT(found.has_value() == expected.has_value());
            if (found) RC_ASSERT(found->prefix == expected->first);
            if (found) RC_ASSERT(*found->value == expected->second);
        }
    });
}

TEST_CASE("after any history the tables dump what a plain sorted state holds", "[forwarding]") {
    test::holds([] {
        test::FakeHostStack stack("host-1", {0xc0000201});
        ForwardingTables& tables = stack.tables();
        ForwardingState expected;
        const auto install = [&](const Row& row) {
            const bool host_route = row == Row(RouteRow{Ipv4Prefix{}, "flannel0", {}, false});
            RC_ASSERT(tables.install(row).has_value() == !host_route);
            if (!host_route) expected.install(row);
        };
        install(LinkRow{.name = "flannel.1", .lower = "eth0", .vni = 1});
        install(LinkRow{.name = "flannel0", .kind = LinkRow::Kind::tun});
        install(LinkRow{.name = "flannel-wg", .kind = LinkRow::Kind::wireguard});
        for (int i = 0; i < 80; ++i) {
            const Row row = draw_table_row();
            if (*rc::gen::inRange(0, 3) != 0) {
                install(row);
            } else {
                RC_ASSERT(tables.withdraw(row).has_value());
                expected.withdraw(row);
            }
        }

        RC_ASSERT(tables.dump() == expected);
        RC_ASSERT(tables.own_row_count() == expected.rows().size());
    });
}

TEST_CASE("a policy is found as a naive search finds it", "[forwarding]") {
    test::holds([] {
        PolicyTable table;
        std::map<std::pair<Ipv4Prefix, Ipv4Prefix>, std::uint32_t> naive;
        for (std::uint32_t i = 0; i < 40; ++i) {
            PolicyRow row;
            row.source = *test::crowded_prefix();
            row.destination = *test::crowded_prefix();
            row.reqid = i;
            if (*rc::gen::inRange(0, 3) == 0) {
                table.withdraw(row);
                naive.erase({row.source, row.destination});
            } else {
                table.install(row);
                naive[{row.source, row.destination}] = i;
            }
            RC_ASSERT(table.size() == naive.size());
        }
        const Ipv4Address source = near_some_prefix();
        const Ipv4Address destination = near_some_prefix();
        std::optional<std::pair<std::pair<unsigned, unsigned>, std::uint32_t>> best;
        for (const auto& [selector, reqid] : naive) {
            const auto& [from, to] = selector;
            if (!from.contains(source) || !to.contains(destination)) continue;
            const std::pair<unsigned, unsigned> rank{to.length, from.length};
            if (!best || rank > best->first) best = {rank, reqid};
        }

        const PolicyEntry* found = table.find(PolicyRow::Direction::out, source, destination);

        RC_ASSERT((found != nullptr) == best.has_value());
        if (found != nullptr) RC_ASSERT(found->reqid == best->second);
    });
}

TEST_CASE("the SA in use is the newest that is left", "[forwarding]") {
    test::holds([] {
        SaTable table;
        std::vector<SaRow> naive;  // oldest first
        for (int i = 0; i < 60; ++i) {
            const SaRow row{{*rc::gen::inRange(0U, 2U)},
                            {*rc::gen::inRange(2U, 4U)},
                            *rc::gen::inRange(1U, 6U),
                            *rc::gen::inRange(11U, 13U),
                            0};
            const auto same = [&](const SaRow& other) { return same_key(Row(row), Row(other)); };
            if (*rc::gen::arbitrary<bool>()) {
                table.withdraw(row);
                std::erase_if(naive, same);
            } else {
                table.install(row);
                const auto at = std::ranges::find_if(naive, same);
                if (at != naive.end()) {
                    *at = row;
                } else {
                    naive.push_back(row);
                }
            }
            const SaRow* newest = nullptr;
            bool inbound = false;
            for (const SaRow& each : naive) {
                const bool tunnel =
                    each.source == row.source && each.destination == row.destination;
                if (tunnel && each.reqid == row.reqid) newest = &each;
                inbound |= each.destination == row.destination && each.spi == row.spi;
            }
            const SaEntry* found = table.newest(row.source, row.destination, row.reqid);
            RC_ASSERT((found != nullptr) == (newest != nullptr));
            if (found != nullptr) RC_ASSERT(found->spi == newest->spi);
            RC_ASSERT(table.has_inbound(row.destination, row.spi) == inbound);
        }
        std::vector<Row> dumped;
        table.dump(dumped);
        RC_ASSERT(dumped == ForwardingState::of({naive.begin(), naive.end()}).rows());
    });
}
