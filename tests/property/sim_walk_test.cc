// A packet on paper and a packet in the simulator end alike: PacketWalk and SimHost ask the same
// tables, and must draw the same conclusions from whatever rows are left in them.
#include <rapidcheck.h>

#include <map>
#include <string>
#include <vector>

#include "sim/walk.h"
#include "tests/support/catch.h"
#include "tests/support/sim_lab.h"

using namespace overlab;
using namespace overlab::test;
using sim::DropReason;

namespace {

const std::map<Disposition, DropReason> same_end{
    {Disposition::no_route, DropReason::no_route},
    {Disposition::neighbour_unresolved, DropReason::neighbour_unresolved},
    {Disposition::fdb_miss, DropReason::fdb_miss},
    {Disposition::tunnel_peer_missing, DropReason::tunnel_peer_missing},
    {Disposition::sa_missing, DropReason::sa_missing},
    {Disposition::mtu_exceeded, DropReason::mtu_exceeded},
    {Disposition::ttl_expired, DropReason::ttl_expired},
    {Disposition::no_listener, DropReason::no_listener},
    {Disposition::policy_mismatch, DropReason::policy_mismatch},
};

std::string backend_json(unsigned which) {
    static const std::vector<std::string> backends{
        R"({"Type": "host-gw"})", R"({"Type": "vxlan"})",
        R"({"Type": "udp"})",     R"({"Type": "vxlan", "DirectRouting": true})",
        R"({"Type": "ipip"})",    R"({"Type": "ipsec", "PSK": ")" + std::string(96, 'k') + R"("})"};
    return R"({"Network": "10.244.0.0/16", "Backend": )" + backends[which] + "}";
}

/// Takes some rows away, anywhere.
void damage(SimLab& lab) {
    for (std::size_t host = 0; host < 3; ++host) {
        const ForwardingState state = lab.host(host).tables().dump(true);
        for (const Row& row : state.rows()) {
            if (!*rc::gen::weightedElement<bool>({{1, true}, {9, false}})) continue;
            RC_ASSERT(lab.host(host).tables().withdraw(row).has_value());
        }
    }
}

std::uint64_t total_drops(SimLab& lab, DropReason reason) {
    std::uint64_t sum = 0;
    for (std::size_t host = 0; host < 3; ++host) sum += lab.host(host).drops(reason);
    return sum;
}

}  // namespace

TEST_CASE("a walk ends as the simulated packet does, whatever rows are missing") {
    const bool held = rc::check([] {
        SimLab lab(star_scenario(3), backend_json(*rc::gen::inRange(0U, 6U)));
        lab.install_sas(0, 1);
        lab.install_sas(0, 2);
        lab.install_sas(1, 2);
        damage(lab);
        const auto target = *rc::gen::inRange<std::size_t>(1, 3);
        WalkPacket packet{
            .source = lab.pod(0).address,
            .destination = *rc::gen::element(lab.pod(target).address, Ipv4Address{0x0af4c801}),
            .size = *rc::gen::inRange(28U, 1500U),
            .ttl = *rc::gen::inRange<std::uint8_t>(1, 6)};
        packet.flow_hash = flow_hash(packet.source, packet.destination, 17, 40000, 9000);

        const Walk walk = sim::packet_walk(*lab.network).walk(packet);
        lab.pod(0).send_udp(packet.destination, packet.size, packet.ttl);
        lab.run(4'000'000'000);

        RC_LOG() << to_string(walk.disposition) << " at " << walk.at;
        const bool delivered = lab.pod(target).received.size() == 1;
        RC_ASSERT(delivered == (walk.disposition == Disposition::delivered));
        if (!delivered) {
            RC_ASSERT(same_end.contains(walk.disposition));
            RC_ASSERT(total_drops(lab, same_end.at(walk.disposition)) >= 1U);
        }
    });
    CHECK(held);
}
