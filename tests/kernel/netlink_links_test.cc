// Links builds topologies out of real namespaces.
#include "real/netlink/links.h"

#include "tests/support/catch.h"
#include "tests/support/kernel_host.h"

using namespace overlab;
using namespace overlab::real;

namespace {

/// Requires success and shows the error if not.
void ok(const Result<void>& outcome) {
    INFO((outcome ? "" : outcome.error().what));
    REQUIRE(outcome.has_value());
}

}  // namespace

TEST_CASE("a veth pair joins two namespaces", "[links]") {
    OVERLAB_KERNEL_HOST(host);
    Links here = Links::open(host.netns).value();
    Links there = Links::open(host.router).value();

    ok(here.add_veth({"up0", {0x0200000000aa}, 9000}, {"down0", {0x0200000000bb}, 8000},
                     host.router));

    const LinkFacts one = here.facts("up0").value();
    CHECK(one.kind == "veth");
    CHECK(one.mac.to_string() == "02:00:00:00:00:aa");
    CHECK(one.mtu == 9000);
    CHECK_FALSE(one.up);
    CHECK(there.facts("down0").value().mtu == 8000);
    CHECK(here.facts("down0").error().kind == ErrorKind::not_found);
    CHECK(here.facts("down0").error().what == "link down0: No such device");
}

TEST_CASE("a bridge takes ports and lets them go", "[links]") {
    OVERLAB_KERNEL_HOST(host);
    Links links = Links::open(host.netns).value();

    ok(links.add_bridge("br0", 1400, {0x0200000000cc}));
    ok(links.set_master("eth0", "br0"));
    ok(links.set_up("br0", true));

    const LinkFacts bridge = links.facts("br0").value();
    CHECK(bridge.kind == "bridge");
    CHECK(bridge.mtu == 1400);
    CHECK(bridge.up);
    CHECK(links.facts("eth0").value().master == bridge.index);
    ok(links.set_master("eth0", ""));
    CHECK(links.facts("eth0").value().master == 0);
    CHECK(links.add_bridge("br0").error().kind == ErrorKind::already_exists);
    ok(links.remove("br0"));
    ok(links.remove("br0"));
    CHECK(links.list().value().size() == 2);
}

TEST_CASE("routes have one way or several", "[links]") {
    OVERLAB_KERNEL_HOST(host);
    Links links = Links::open(host.netns).value();
    const Ipv4Prefix far = Ipv4Prefix::parse("203.0.113.0/24").value();
    const std::vector<NextHop> two = {{"eth0", Ipv4Address{0xc0000207}},
                                      {"eth0", Ipv4Address{0xc0000208}}};

    ok(links.set_route(far, two));
    ok(links.remove_route(far));
    ok(links.remove_route(far));
    const Result<void> refused =
        links.set_route(far, std::vector<NextHop>{{"eth0", Ipv4Address{0xcb007109}, false}});
    ok(links.set_route(far, std::vector<NextHop>{{"eth0", {}}}));

    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::invalid_argument);
    CHECK(refused.error().what == "route 203.0.113.0/24: Nexthop has invalid gateway");
}

TEST_CASE("settings are the namespace's own", "[links]") {
    OVERLAB_KERNEL_HOST(host);
    Links here = Links::open(host.netns).value();
    Links there = Links::open(host.router).value();

    ok(here.set_sysctl("net/ipv4/ip_forward", "1"));
    ok(there.set_sysctl("net/ipv4/ip_forward", "0"));
    ok(here.set_sysctl("net/ipv6/conf/eth0/disable_ipv6", "1"));

    CHECK(here.sysctl("net/ipv4/ip_forward") == Result<std::string>("1"));
    CHECK(there.sysctl("net/ipv4/ip_forward") == Result<std::string>("0"));
    CHECK(here.sysctl("net/ipv4/no_such_thing").error().kind == ErrorKind::not_found);
}

TEST_CASE("addresses come and go", "[links]") {
    OVERLAB_KERNEL_HOST(host);
    Links links = Links::open(host.netns).value();

    ok(links.add_address("eth0", {0xc000020a}, 24));
    ok(links.add_address("eth0", {0xc000020a}, 24));
    ok(links.remove_address("eth0", {0xc000020a}, 24));
    ok(links.remove_address("eth0", {0xc000020a}, 24));

    CHECK(links.add_address("eth7", {0xc000020a}, 24).error().what == "link eth7: No such device");
}
