// Incremental equals full: after any history of leases the host holds what a plan from scratch
// says. Few subnets, addresses and MACs, so that peers clash all the time.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "models/node/overlay_node.h"
#include "tests/support/node_lab.h"
#include "tests/support/property.h"

using namespace overlab;
using namespace overlab::test;

namespace {

constexpr const char* vxlan = R"({"Type":"vxlan"})";
constexpr const char* direct = R"({"Type":"vxlan","DirectRouting":true})";
constexpr const char* host_gw = R"({"Type":"host-gw"})";
constexpr const char* udp = R"({"Type":"udp"})";
constexpr const char* ipip = R"({"Type":"ipip","DirectRouting":true})";
constexpr const char* wireguard = R"({"Type":"wireguard"})";
constexpr const char* ipsec = "ipsec";

void configure(NodeLab& lab, const std::string& backend) {
    lab.leases.config_text = backend == ipsec ? ipsec_config() : network_config(backend);
}

/// Uniform in 0..bound-1 from the first case on; rapidcheck's own ranges start small.
int draw_below(int bound) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, bound)); }

LeaseSubnet draw_subnet() {
    return subnet(*rc::gen::element<std::string>("10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24",
                                                 "10.244.4.0/24", "10.244.5.0/24", "10.244.4.0/22",
                                                 "10.244.4.0/23", "10.244.4.128/25"));
}

LeaseAttributes draw_attributes() {
    const auto address = *rc::gen::element<std::string>("192.0.2.2", "192.0.2.3", "192.0.2.4",
                                                        "192.0.2.5", "198.51.100.6");
    switch (draw_below(12)) {
        case 8:
        case 9:
            return wireguard_attributes(address, static_cast<std::uint8_t>(1 + draw_below(5)));
        case 10:
        case 11:
            return plain_attributes("ipip", address);
        case 0:
            return plain_attributes("host-gw", address);
        case 1:
            return plain_attributes("", address);
        case 2:
            return plain_attributes("ipsec", address);
        case 3:
            return plain_attributes("vxlan", address);  // without data: garbage
        default: {
            const int mac = 1 + draw_below(4);
            return vxlan_attributes(address, fmt::format("02:00:00:00:00:{:02x}", mac));
        }
    }
}

/// One event of a history; several may happen before the node sees the first.
void act(NodeLab& lab) {
    switch (draw_below(12)) {
        case 0:
        case 1:
        case 2:
            lab.leases.remove(draw_subnet());
            break;
        case 3:
            lab.leases.put_unseen(draw_subnet(), draw_attributes());
            break;
        case 4:
            lab.leases.remove_unseen(draw_subnet());
            break;
        case 5:
            lab.leases.send_snapshot();
            break;
        case 6:
            lab.pass(milliseconds(2));
            break;
        default:
            lab.leases.put(draw_subnet(), draw_attributes());
            break;
    }
}

void check_agrees_with_a_fresh_node(const NodeLab& lab, const std::string& backend) {
    NodeLab fresh;
    configure(fresh, backend);
    for (const auto& [subnet, lease] : lab.leases.leases()) {
        fresh.leases.put_unseen(subnet, lease->attributes);
    }
    // The same device, so that the same MAC is drawn or kept.
    for (const Row& row : lab.stack.tables().dump().rows()) {
        if (std::holds_alternative<LinkRow>(row)) RC_ASSERT(fresh.stack.tables().install(row));
    }
    RC_ASSERT(fresh.converge());
    RC_ASSERT(fresh.held() == lab.held());
    RC_ASSERT(fresh.ike.connections == lab.ike.connections);
    RC_ASSERT(fresh.node->unsupported_peers() == lab.node->unsupported_peers());
    RC_ASSERT(fresh.node->peer_count() == lab.node->peer_count());
}

}  // namespace

TEST_CASE("after any history a host holds what a fresh node would give it", "[node]") {
    const std::string backend = GENERATE(vxlan, direct, host_gw, udp, ipip, wireguard, ipsec);
    INFO(backend);
    test::holds(
        [&] {
            NodeLab lab;
            configure(lab, backend);
            RC_ASSERT(lab.converge({.audit_interval = {}}));
            const int events = 1 + draw_below(40);
            for (int i = 0; i < events; ++i) act(lab);
            lab.leases.send_snapshot();  // what was unseen is seen now
            RC_ASSERT(lab.settles());

            RC_ASSERT(lab.host_is_as_planned());
            check_agrees_with_a_fresh_node(lab, backend);
        },
        300);
}

TEST_CASE("without snapshots and audits the sum of the changes is the plan", "[node]") {
    const std::string backend = GENERATE(vxlan, direct, host_gw, udp, ipip, wireguard, ipsec);
    INFO(backend);
    test::holds(
        [&] {
            NodeLab lab;
            configure(lab, backend);
            RC_ASSERT(lab.converge({.audit_interval = {}}));
            const int events = 1 + draw_below(40);
            for (int i = 0; i < events; ++i) {
                if (draw_below(3) == 0) {
                    lab.leases.remove(draw_subnet());
                } else {
                    lab.leases.put(draw_subnet(), draw_attributes());
                }
                lab.pass(milliseconds(20));
                if (lab.node->converged()) RC_ASSERT(lab.host_is_as_planned());
            }
            RC_ASSERT(lab.settles());
            check_agrees_with_a_fresh_node(lab, backend);
        },
        300);
}

TEST_CASE("a history with calls that fail ends like one without", "[node]") {
    const std::string backend = GENERATE(vxlan, host_gw, wireguard, ipsec);
    INFO(backend);
    test::holds(
        [&] {
            NodeLab lab;
            configure(lab, backend);
            lab.faults.fail_call(1 + static_cast<std::uint64_t>(draw_below(60)));
            lab.start({.audit_interval = seconds(30)});
            const int events = 1 + draw_below(40);
            for (int i = 0; i < events; ++i) act(lab);
            lab.leases.send_snapshot();
            lab.pass(minutes(2));
            RC_ASSERT(lab.settles());

            RC_ASSERT(lab.host_is_as_planned());
            check_agrees_with_a_fresh_node(lab, backend);
        },
        100);
}
