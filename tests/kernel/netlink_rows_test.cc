// What the kernel's stack does beside the contract: other people's rows, errors in large batches,
// agents that start again, devices that somebody meddles with.
#include <fmt/format.h>
#include <linux/netlink.h>

#include <string>
#include <string_view>
#include <vector>

#include "real/netlink/policy_rows.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_stack.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using namespace overlab::test;

namespace {

using Action = RowChange::Action;

constexpr std::string_view device =
    "link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01";

std::vector<RowChange> changes(Action action, std::string_view text) {
    std::vector<RowChange> found;
    for (const Row& each : rows(text)) found.push_back({action, each});
    return found;
}

/// `ok` or the error's text, one line an outcome.
std::string outcomes(HostStack& stack, Action action, std::string_view text) {
    std::string lines;
    for (const Result<void>& each : stack.apply(changes(action, text))) {
        lines += (each ? "ok" : each.error().what) + "\n";
    }
    return lines;
}
std::string install(HostStack& stack, std::string_view text) {
    return outcomes(stack, Action::install, text);
}
std::string withdraw(HostStack& stack, std::string_view text) {
    return outcomes(stack, Action::withdraw, text);
}
std::string dump(HostStack& stack) { return stack.dump().value().to_string(); }

/// Neighbour, FDB row and route of peer `n`: subnet 10.244.0.0 + n/24, n below 256 * 256.
void add_peer(std::vector<RowChange>& batch, std::uint32_t n) {
    const Ipv4Address subnet{0x0a000000U + (n << 8)};
    const MacAddress mac{0x020000000000U + n};
    batch.push_back({Action::install, NeighbourRow{"flannel.1", subnet, mac}});
    batch.push_back({Action::install, FdbRow{"flannel.1", mac, {0xc0000202}}});
    batch.push_back(
        {Action::install, RouteRow{Ipv4Prefix::of(subnet, 24), "flannel.1", subnet, true}});
}

void ok(const Result<void>& outcome) {
    INFO((outcome ? "" : outcome.error().what));
    REQUIRE(outcome.has_value());
}

constexpr std::string_view peer_rows = R"(
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
    addr 10.244.1.0/32 dev flannel.1
    neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
    fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
    policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.5 reqid 11
    route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
    route 10.244.3.0/24 via 192.0.2.3 dev eth0)";

}  // namespace

TEST_CASE("other people's rows are neither shown nor touched", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    real::Links links = real::Links::open(host.netns).value();
    const std::vector<real::NextHop> by_eth0 = {{"eth0", Ipv4Address{0xc0000207}}};
    ok(links.add_bridge("cni0"));
    ok(links.set_up("cni0", true));
    ok(links.add_address("cni0", {0x0af40101}, 24));
    ok(links.set_neighbour("cni0", {0x0af40102}, {0x0200000000aa}));
    ok(links.set_route(Ipv4Prefix::parse("10.244.2.0/24").value(), by_eth0));
    real::NetlinkSocket xfrm = real::NetlinkSocket::open(NETLINK_XFRM, &host.netns).value();
    real::NetlinkBatch foreign;
    const Row policy =
        row("policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.5 reqid 5");
    real::put_policy(foreign, real::PolicyChange::add, std::get<PolicyRow>(policy));
    ok(xfrm.execute_one(foreign));
    KernelStack kernel(host);

    const std::string wanted = R"(
        link cni0 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
        addr 10.244.1.1/32 dev cni0
        neigh 10.244.1.2 lladdr 02:00:00:00:00:bb dev cni0
        policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.6 reqid 11
        route 10.244.1.0/24 dev cni0
        route 10.244.2.0/24 via 192.0.2.2 dev eth0)";
    const std::vector<Result<void>> refused = kernel->apply(changes(Action::install, wanted));
    const std::string ignored = withdraw(kernel.stack(), wanted);

    for (const Result<void>& each : refused) {
        REQUIRE_FALSE(each.has_value());
        CHECK(each.error().kind == ErrorKind::already_exists);
    }
    CHECK(refused[5].error().what ==
          "route 10.244.2.0/24 via 192.0.2.2 dev eth0: the host has a route of its own to "
          "10.244.2.0/24");
    CHECK(ignored == "ok\nok\nok\nok\nok\nok\n");
    CHECK(dump(kernel.stack()).empty());
    CHECK(links.facts("cni0").has_value());
    CHECK(real::ask_policy(xfrm, std::get<PolicyRow>(policy)).value() ==
          std::get<PolicyRow>(policy));
    CHECK(kernel->on_link({0x0af40205}) == Result<bool>(false));
}

TEST_CASE("a route that somebody takes away later is free again", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    real::Links links = real::Links::open(host.netns).value();
    const Ipv4Prefix contested = Ipv4Prefix::parse("10.244.2.0/24").value();
    ok(links.set_route(contested, std::vector<real::NextHop>{{"eth0", {}}}));
    KernelStack kernel(host);
    const std::string_view ours = "route 10.244.2.0/24 via 192.0.2.2 dev eth0";

    const std::string before = install(kernel.stack(), ours);
    ok(links.remove_route(contested));
    const std::string after = install(kernel.stack(), ours);

    CHECK(before != "ok\n");
    CHECK(after == "ok\n");
    CHECK(dump(kernel.stack()) == lines(ours));
}

TEST_CASE("one bad row in a thousand is the one that is reported", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    KernelStack kernel(host);
    REQUIRE(install(kernel.stack(), device) == "ok\n");
    std::vector<RowChange> batch;
    for (std::uint32_t n = 0; n < 333; ++n) add_peer(batch, n);
    const std::size_t bad = 500;
    batch.insert(batch.begin() + bad,
                 {Action::install, row("route 10.9.9.0/24 via 10.9.9.0 dev flannel.1")});

    const std::vector<Result<void>> answers = kernel->apply(batch);

    REQUIRE(answers.size() == 1000);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        INFO(i);
        REQUIRE(answers[i].has_value() == (i != bad));
    }
    CHECK(answers[bad].error().what ==
          "route 10.9.9.0/24 via 10.9.9.0 dev flannel.1: Nexthop has invalid gateway");
    CHECK(answers[bad].error().kind == ErrorKind::invalid_argument);
    CHECK(kernel->dump().value().rows().size() == 1000);
}

TEST_CASE("when all rows of a large batch are bad each has its own error", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    KernelStack kernel(host);
    REQUIRE(install(kernel.stack(), device) == "ok\n");
    std::vector<RowChange> batch;
    for (std::uint32_t n = 0; n < 5000; ++n) {
        const Ipv4Address subnet{0x0a000000U + (n << 8)};
        batch.push_back(
            {Action::install, RouteRow{Ipv4Prefix::of(subnet, 24), "flannel.1", subnet, false}});
    }

    const std::vector<Result<void>> answers = kernel->apply(batch);

    for (std::size_t i = 0; i < answers.size(); ++i) {
        REQUIRE_FALSE(answers[i].has_value());
        REQUIRE(answers[i].error().what ==
                to_string(batch[i].row) + ": Nexthop has invalid gateway");
    }
}

TEST_CASE("an agent that starts again finds its rows", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    {
        KernelStack cleaned(host);
    }
    auto first = real::NetlinkStack::open(host.netns, KernelHost::facts(), nullptr).value();
    REQUIRE(install(*first, peer_rows).find(':') == std::string::npos);
    first.reset();

    auto second = real::NetlinkStack::open(host.netns, KernelHost::facts(), nullptr).value();

    CHECK(dump(*second) == lines(peer_rows));
    CHECK(install(*second, peer_rows) == "ok\nok\nok\nok\nok\nok\nok\n");
    CHECK(dump(*second) == lines(peer_rows));
}

TEST_CASE("a device that somebody took down is seen and brought up again", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    KernelStack kernel(host);
    real::Links links = real::Links::open(host.netns).value();
    REQUIRE(install(kernel.stack(), peer_rows).find(':') == std::string::npos);
    const ForwardingState wanted = state(peer_rows);

    ok(links.set_up("flannel.1", false));
    const ForwardingState damaged = kernel->dump().value();
    CHECK_FALSE(damaged == wanted);
    for (const Result<void>& each : kernel->apply(diff(wanted, damaged))) ok(each);

    CHECK(dump(kernel.stack()) == wanted.to_string());
    CHECK(links.facts("flannel.1").value().up);
}

TEST_CASE("a new MAC, a new MTU or a new address leaves the other rows alone", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    KernelStack kernel(host);
    REQUIRE(install(kernel.stack(), peer_rows).find(':') == std::string::npos);
    ForwardingState expected = state(peer_rows);
    const Row other_mac =
        row("link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1400 "
            "mac 02:00:00:00:00:99");

    REQUIRE(install(kernel.stack(), to_string(other_mac)) == "ok\n");
    expected.install(other_mac);
    CHECK(dump(kernel.stack()) == expected.to_string());

    REQUIRE(withdraw(kernel.stack(), "addr 10.244.1.0/32 dev flannel.1") == "ok\n");
    expected.withdraw(row("addr 10.244.1.0/32 dev flannel.1"));
    CHECK(dump(kernel.stack()) == expected.to_string());
}

TEST_CASE("a host without the address it is said to have is refused", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    HostFacts facts = KernelHost::facts();

    facts.external_address = {0xc0000263};
    const auto no_address = real::NetlinkStack::open(host.netns, facts, nullptr);
    facts.external_link = "eth9";
    const auto no_link = real::NetlinkStack::open(host.netns, facts, nullptr);

    REQUIRE_FALSE(no_address.has_value());
    CHECK(no_address.error().what == "host host-1: eth0 does not have address 192.0.2.99");
    REQUIRE_FALSE(no_link.has_value());
    CHECK(no_link.error().what == "host host-1: external link: no device eth9");
}

TEST_CASE("associations can be asked for", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    KernelStack kernel(host);

    const auto found = kernel->security_associations();

    REQUIRE(found.has_value());
    CHECK(found->empty());
}
