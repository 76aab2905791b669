// Peers that claim one thing: the lower subnet has it, the other is told of and waits.
#include <string>
#include <vector>

#include "models/node/claim_index.h"
#include "models/node/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/node_lab.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using namespace overlab::test;

namespace {

struct Claim {
    std::string subnet;
    LeaseAttributes attributes;
};

struct Clash {
    const char* what;
    Claim winner, loser;
    const char* reason;
};

Clash any_clash() {
    return GENERATE(values<Clash>({
        {"one VTEP MAC",
         {"10.244.5.0/24", vxlan_attributes("192.0.2.5", "02:00:00:00:00:55")},
         {"10.244.6.0/24", vxlan_attributes("192.0.2.6", "02:00:00:00:00:55")},
         "vxlan: claims VTEP MAC 02:00:00:00:00:55, which the lower lease 10.244.5.0/24 has"},
        {"one public address",
         {"10.244.5.0/24", vxlan_attributes("192.0.2.5", "02:00:00:00:00:05")},
         {"10.244.6.0/24", vxlan_attributes("192.0.2.5", "02:00:00:00:00:06")},
         "vxlan: claims public address 192.0.2.5, which the lower lease 10.244.5.0/24 has"},
        {"a subnet inside another",
         {"10.244.4.0/22", vxlan_attributes(4)},
         {"10.244.6.0/24", vxlan_attributes(6)},
         "vxlan: overlaps the lower lease 10.244.4.0/22"},
        {"a subnet around another of the same address",
         {"10.244.4.0/22", vxlan_attributes(4)},
         {"10.244.4.0/24", vxlan_attributes(6)},
         "vxlan: overlaps the lower lease 10.244.4.0/22"},
    }));
}

std::string only_with(const Claim& claim) {
    NodeLab lab;
    lab.leases.put(subnet(claim.subnet), claim.attributes);
    REQUIRE(lab.converge());
    return lab.held();
}

}  // namespace

TEST_CASE("of two claimants the lower subnet wins in every order of events", "[node]") {
    const Clash clash = any_clash();
    INFO(clash.what);
    const bool loser_first = GENERATE(false, true);
    const bool before_start = GENERATE(false, true);
    const Claim& first = loser_first ? clash.loser : clash.winner;
    const Claim& second = loser_first ? clash.winner : clash.loser;
    NodeLab lab;
    if (!before_start) REQUIRE(lab.converge());

    lab.leases.put(subnet(first.subnet), first.attributes);
    lab.leases.put(subnet(second.subnet), second.attributes);
    if (before_start) REQUIRE(lab.converge());
    lab.pass(milliseconds(10));

    CHECK(lab.held() == only_with(clash.winner));
    CHECK(lab.observer.has_remark(fmt::format("peer {}: {}", clash.loser.subnet, clash.reason)));
    REQUIRE(lab.node->unsupported_peers().size() == 1);
    CHECK(lab.node->unsupported_peers()[0].second == clash.reason);
}

TEST_CASE("when the winner goes the other has its rows at once", "[node]") {
    const Clash clash = any_clash();
    INFO(clash.what);
    NodeLab lab;
    REQUIRE(lab.converge());
    lab.leases.put(subnet(clash.winner.subnet), clash.winner.attributes);
    lab.leases.put(subnet(clash.loser.subnet), clash.loser.attributes);
    lab.pass(milliseconds(10));

    lab.leases.remove(subnet(clash.winner.subnet));
    lab.pass(milliseconds(10));

    CHECK(lab.held() == only_with(clash.loser));
    CHECK(lab.node->unsupported_peers().empty());
}

TEST_CASE("of two wireguard peers with one public key the lower subnet wins", "[node]") {
    NodeLab lab(R"({"Type":"wireguard"})");
    REQUIRE(lab.converge());

    lab.leases.put(subnet(6), wireguard_attributes("192.0.2.6", 9));
    lab.leases.put(subnet(5), wireguard_attributes("192.0.2.5", 9));
    lab.pass(milliseconds(10));

    CHECK_THAT(lab.held(), Catch::Contains("endpoint 192.0.2.5:51820 allowed 10.244.5.0/24") &&
                               !Catch::Contains("192.0.2.6"));
    REQUIRE(lab.node->unsupported_peers().size() == 1);
    CHECK(lab.node->unsupported_peers()[0].second ==
          "wireguard: claims public key CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=, which the "
          "lower lease 10.244.5.0/24 has");
}

TEST_CASE("a claimant that changes its claim frees the other", "[node]") {
    NodeLab lab;
    REQUIRE(lab.converge());
    lab.leases.put(subnet(5), vxlan_attributes("192.0.2.5", "02:00:00:00:00:55"));
    lab.leases.put(subnet(6), vxlan_attributes("192.0.2.6", "02:00:00:00:00:55"));
    lab.pass(milliseconds(10));
    REQUIRE(lab.node->unsupported_peers().size() == 1);

    lab.leases.put(subnet(5), vxlan_attributes(5));
    lab.pass(milliseconds(10));

    CHECK(lab.node->unsupported_peers().empty());
    CHECK(lab.host_is_as_planned());
    CHECK_THAT(lab.held(), Catch::Contains("fdb 02:00:00:00:00:55 dst 192.0.2.6"));
    CHECK_THAT(lab.held(), Catch::Contains("fdb 02:00:00:00:00:05 dst 192.0.2.5"));
}

TEST_CASE("a lease that cannot be planned for claims nothing", "[node]") {
    NodeLab lab;
    REQUIRE(lab.converge());
    // The host with this address changed its backend; its old lease has not ended yet.
    lab.leases.put(subnet(5), plain_attributes("host-gw", "192.0.2.5"));
    lab.leases.put(subnet(6), vxlan_attributes("192.0.2.5", "02:00:00:00:00:06"));
    lab.pass(milliseconds(10));

    CHECK_THAT(lab.held(), Catch::Contains("fdb 02:00:00:00:00:06 dst 192.0.2.5"));
    CHECK(lab.node->unsupported_peers().size() == 1);
}

TEST_CASE("the index knows each claimant once and forgets it whole", "[node]") {
    const auto claims = [](const char* subnet_text, unsigned address, std::uint64_t mac) {
        return Claims{*Ipv4Prefix::parse(subnet_text), {address}, mac};
    };
    const Claims a = claims("10.244.1.0/24", 1, 1);
    const Claims same_mac = claims("10.244.2.0/24", 2, 1);
    const Claims inside_a = claims("10.244.1.128/25", 3, 3);
    const Claims alone = claims("10.244.9.0/24", 9, 9);
    ClaimIndex index;
    index.add(0, a);
    index.add(1, same_mac);
    index.add(2, inside_a);
    index.add(3, alone);
    const auto rivals = [&](PeerId id, const Claims& of) {
        std::vector<PeerId> found = index.rivals(id, of);
        std::ranges::sort(found);
        return found;
    };

    CHECK(rivals(0, a) == std::vector<PeerId>{1, 2});
    CHECK(rivals(1, same_mac) == std::vector<PeerId>{0});
    CHECK(rivals(2, inside_a) == std::vector<PeerId>{0});
    CHECK(rivals(3, alone).empty());
    CHECK(index.holders(alone.subnet) == std::vector<PeerId>{3});

    index.remove(0, a);
    CHECK(rivals(1, same_mac).empty());
    CHECK(rivals(2, inside_a).empty());
    CHECK(index.holders(a.subnet).empty());
}
