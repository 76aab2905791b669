#include "tests/contract/stack_contract.h"

#include <string>
#include <string_view>
#include <vector>

#include "tests/contract/stack_steps.h"
#include "tests/support/arbitrary_rows.h"
#include "tests/support/property.h"

namespace overlab::test {
namespace {

constexpr std::string_view device =
    "link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01";

/// One row of each kind that a node installs.
constexpr std::string_view all_kinds = R"(
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
    link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
    addr 10.244.1.0/32 dev flannel.1
    neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
    fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
    tunnel 10.244.4.0/24 to 192.0.2.4:8285 dev flannel0
    policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.5 reqid 11
    policy in 10.244.5.0/24 -> 10.244.1.0/24 tunnel 192.0.2.5 -> 192.0.2.1 reqid 11
    policy fwd 10.244.5.0/24 -> 10.244.1.0/24 tunnel 192.0.2.5 -> 192.0.2.1 reqid 11
    route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
    route 10.244.3.0/24 via 192.0.2.3 dev eth0
    route 10.245.0.0/16 dev flannel0)";

void tells_what_it_is(HostStack& stack) {
    const HostFacts facts = stack.facts();
    CHECK(facts.name == "host-1");
    CHECK(facts.external_link == "eth0");
    CHECK(facts.external_address.to_string() == "192.0.2.1");
    CHECK(facts.external_mtu == 1500);
    CHECK(stack.on_link({0xc0000202}) == Result<bool>(true));
    CHECK(stack.on_link({0xc6336403}) == Result<bool>(false));
}

void replaces_values(HostStack& stack) {
    install(stack, all_kinds);
    const std::string_view other_values = R"(
        neigh 10.244.2.0 lladdr 02:00:00:00:00:22 dev flannel.1
        fdb 02:00:00:00:00:02 dst 192.0.2.22 dev flannel.1
        tunnel 10.244.4.0/24 to 192.0.2.44:8286 dev flannel0
        policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.55 reqid 11
        route 10.244.3.0/24 via 192.0.2.33 dev eth0)";
    ForwardingState expected = state(all_kinds);
    for (const Row& each : rows(other_values)) expected.install(each);

    install(stack, other_values);

    CHECK(dump(stack) == expected.to_string());
}

void refuses_as_the_kernel_does(HostStack& stack) {
    struct Case {
        const char* line;
        ErrorKind kind;
    };
    const std::vector<Case> cases = {
        {"route 10.244.9.0/24 dev flannel.9", ErrorKind::not_found},
        {"neigh 10.244.9.0 lladdr 02:00:00:00:00:09 dev flannel.9", ErrorKind::not_found},
        {"fdb 02:00:00:00:00:09 dst 192.0.2.9 dev flannel.9", ErrorKind::not_found},
        {"addr 10.244.1.0/32 dev flannel.9", ErrorKind::not_found},
        {"route 10.244.9.0/24 via 198.51.100.9 dev eth0", ErrorKind::invalid_argument},
        {"route 10.244.9.0/24 via 10.244.9.0 dev flannel.1", ErrorKind::invalid_argument},
    };
    install(stack, device);
    for (const Case& each : cases) {
        INFO(each.line);

        const auto outcomes = stack.apply(changes(Action::install, each.line));

        REQUIRE(outcomes.size() == 1);
        REQUIRE_FALSE(outcomes[0].has_value());
        CHECK(outcomes[0].error().kind == each.kind);
        CHECK_FALSE(outcomes[0].error().what.empty());
    }
    CHECK(dump(stack) == lines(device));
}

void goes_on_after_a_failure(HostStack& stack) {
    std::vector<RowChange> batch = changes(Action::install, device);
    batch.push_back({Action::install, row("route 10.244.8.0/24 dev flannel.9")});
    batch.push_back({Action::withdraw, row("route 10.244.7.0/24 dev flannel.9")});
    batch.push_back({Action::install, row("route 10.244.2.0/24 dev flannel.1")});

    const std::vector<Result<void>> outcomes = stack.apply(batch);

    REQUIRE(outcomes.size() == 4);
    CHECK(outcomes[0].has_value());
    CHECK_FALSE(outcomes[1].has_value());
    CHECK(outcomes[2].has_value());
    CHECK(outcomes[3].has_value());
    CHECK(dump(stack) == std::string(device) + "\nroute 10.244.2.0/24 dev flannel.1\n");
}

void device_takes_its_rows_along(HostStack& stack) {
    install(stack, all_kinds);

    withdraw(stack, device);

    CHECK(dump(stack) == lines(R"(
        link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
        tunnel 10.244.4.0/24 to 192.0.2.4:8285 dev flannel0
        policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.5 reqid 11
        policy in 10.244.5.0/24 -> 10.244.1.0/24 tunnel 192.0.2.5 -> 192.0.2.1 reqid 11
        policy fwd 10.244.5.0/24 -> 10.244.1.0/24 tunnel 192.0.2.5 -> 192.0.2.1 reqid 11
        route 10.244.3.0/24 via 192.0.2.3 dev eth0
        route 10.245.0.0/16 dev flannel0)"));
}

/// Random histories of rows whose installation always succeeds.
void holds_what_a_plain_state_holds(const StackFactory& make) {
    holds(
        [&] {
            const auto fixture = make();
            HostStack& stack = fixture->stack();
            ForwardingState expected = state(device);
            RC_ASSERT(stack.apply(changes(Action::install, device)).front().has_value());
            std::vector<RowChange> batch;
            for (int i = 0; i < 30; ++i) {
                const Ipv4Address net{0x0af40000U + (*rc::gen::inRange(2U, 7U) << 8)};
                const MacAddress mac{0x020000000000U + *rc::gen::inRange(2U, 7U)};
                const Row each = *rc::gen::element<Row>(
                    NeighbourRow{"flannel.1", net, mac}, FdbRow{"flannel.1", mac, net},
                    RouteRow{Ipv4Prefix::of(net, 24), "flannel.1", net, true});
                const bool add = *rc::gen::element(true, true, false);
                batch.push_back({add ? Action::install : Action::withdraw, each});
                if (add) {
                    expected.install(each);
                } else {
                    expected.withdraw(each);
                }
            }
            for (const Result<void>& outcome : stack.apply(batch)) RC_ASSERT(outcome.has_value());
            RC_ASSERT(stack.dump().value().to_string() == expected.to_string());
        },
        50);
}

}  // namespace

void stack_contract(const StackFactory& make) {
    const std::unique_ptr<StackFixture> fixture = make();
    HostStack& stack = fixture->stack();

    SECTION("tells what it is and how others are reached") { tells_what_it_is(stack); }
    SECTION("shows no row that the node did not install") { CHECK(dump(stack).empty()); }
    SECTION("shows what was installed, in key order") {
        install(stack, all_kinds);
        CHECK(dump(stack) == lines(all_kinds));
    }
    SECTION("installing what is there succeeds and changes nothing") {
        install(stack, all_kinds);
        install(stack, all_kinds);
        CHECK(dump(stack) == lines(all_kinds));
    }
    SECTION("withdraws everything in descending order") {
        install(stack, all_kinds);
        apply_all(stack, diff({}, state(all_kinds)));
        CHECK(dump(stack).empty());
    }
    SECTION("withdrawing what is absent succeeds") {
        withdraw(stack, all_kinds);
        CHECK(dump(stack).empty());
    }
    SECTION("a row with a known key replaces the value") { replaces_values(stack); }
    SECTION("refuses rows that lead nowhere") { refuses_as_the_kernel_does(stack); }
    SECTION("answers each change, in order, and goes on after a failure") {
        goes_on_after_a_failure(stack);
    }
    SECTION("a device takes its rows along") { device_takes_its_rows_along(stack); }
    SECTION("holds what a plain state holds after any history") {
        holds_what_a_plain_state_holds(make);
    }
}

}  // namespace overlab::test
