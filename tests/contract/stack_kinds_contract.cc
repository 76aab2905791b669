#include "tests/contract/stack_kinds_contract.h"

#include <string>
#include <string_view>
#include <vector>

#include "tests/contract/stack_steps.h"

namespace overlab::test {
namespace {

void refuses(HostStack& stack, std::string_view line, ErrorKind kind) {
    const std::vector<Result<void>> outcomes = stack.apply(changes(Action::install, line));
    REQUIRE(outcomes.size() == 1);
    REQUIRE_FALSE(outcomes[0].has_value());
    CHECK(outcomes[0].error().kind == kind);
    CHECK_THAT(outcomes[0].error().what, Catch::StartsWith(std::string(line)));
}

/// What holds for the rows of any kind: shown as installed, installed again, replaced, withdrawn.
void keeps_rows(HostStack& stack, std::string_view text, std::string_view other_values) {
    install(stack, text);
    CHECK(dump(stack) == lines(text));
    install(stack, text);
    CHECK(dump(stack) == lines(text));

    ForwardingState expected = state(text);
    for (const Row& each : rows(other_values)) expected.install(each);
    install(stack, other_values);
    CHECK(dump(stack) == expected.to_string());

    apply_all(stack, diff({}, expected));
    CHECK(dump(stack).empty());
    apply_all(stack, changes(Action::withdraw, text));
    CHECK(dump(stack).empty());
}

}  // namespace

void ipip_contract(const StackFactory& make) {
    const std::unique_ptr<StackFixture> fixture = make();
    HostStack& stack = fixture->stack();

    SECTION("rows are held as for any device") {
        keeps_rows(stack, R"(
            link flannel.ipip ipip local 192.0.2.1 mtu 1480
            addr 10.244.1.0/32 dev flannel.ipip
            route 10.244.2.0/24 via 192.0.2.2 dev flannel.ipip onlink
            route 10.244.3.0/24 via 198.51.100.3 dev flannel.ipip onlink)",
                   "link flannel.ipip ipip local 192.0.2.1 mtu 1400");
    }
    SECTION("a device takes its rows along") {
        install(stack, R"(
            link flannel.ipip ipip local 192.0.2.1 mtu 1480
            addr 10.244.1.0/32 dev flannel.ipip
            route 10.244.2.0/24 via 192.0.2.2 dev flannel.ipip onlink
            route 10.244.3.0/24 via 192.0.2.3 dev eth0)");

        apply_all(stack,
                  changes(Action::withdraw, "link flannel.ipip ipip local 192.0.2.1 mtu 1480"));

        CHECK(dump(stack) == "route 10.244.3.0/24 via 192.0.2.3 dev eth0\n");
    }
    SECTION("has no FDB") {
        install(stack, "link flannel.ipip ipip local 192.0.2.1 mtu 1480");
        refuses(stack, "fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.ipip",
                ErrorKind::invalid_argument);
    }
}

void wireguard_contract(const StackFactory& make) {
    const std::unique_ptr<StackFixture> fixture = make();
    HostStack& stack = fixture->stack();
    constexpr std::string_view device = "link flannel-wg wireguard port 51820 mtu 1420";
    constexpr std::string_view peer =
        "peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.2:51820 allowed "
        "10.244.2.0/24 dev flannel-wg";

    SECTION("rows are held as for any device") {
        keeps_rows(stack, R"(
            link flannel-wg wireguard port 51820 mtu 1420
            addr 10.244.1.0/32 dev flannel-wg
            peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.2:51820 allowed 10.244.2.0/24 dev flannel-wg
            peer AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM= endpoint 192.0.2.3:51821 allowed 10.244.3.0/24 dev flannel-wg keepalive 25
            route 10.244.0.0/16 dev flannel-wg)",
                   R"(
            link flannel-wg wireguard port 51822 mtu 1400
            peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.22:4242 allowed 10.244.5.0/25 dev flannel-wg keepalive 9
            peer AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM= endpoint 192.0.2.3:51821 allowed 10.244.3.0/24 dev flannel-wg)");
    }
    SECTION("a pre-shared key comes back as its fingerprint, and goes when it is not wanted") {
        WireguardKey secret;
        secret.bytes.fill(9);
        WireguardPeerRow with = std::get<WireguardPeerRow>(row(peer));
        with.psk = WireguardPsk::of(secret);
        install(stack, device);

        apply_all(stack, {{Action::install, with}});
        CHECK_THAT(dump(stack), Catch::Contains(to_string(Row(with))));

        install(stack, peer);
        CHECK(dump(stack) == std::string(device) + "\n" + std::string(peer) + "\n");
    }
    SECTION("a device takes its peers along") {
        install(stack, device);
        install(stack, peer);
        apply_all(stack, changes(Action::withdraw, device));
        CHECK(dump(stack).empty());

        install(stack, device);
        CHECK(dump(stack) == std::string(device) + "\n");
    }
    SECTION("a peer needs a device that is one of WireGuard") {
        refuses(stack, peer, ErrorKind::not_found);
        install(stack,
                "link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac "
                "02:00:00:00:00:01");
        refuses(stack,
                "peer AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI= endpoint 192.0.2.2:51820 "
                "allowed 10.244.2.0/24 dev flannel.1",
                ErrorKind::invalid_argument);
    }
    SECTION("a prefix can change hands within one batch") {
        install(stack, device);
        install(stack, peer);
        const std::string other =
            "peer BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ= endpoint 192.0.2.2:51820 allowed "
            "10.244.2.0/24 dev flannel-wg";

        const std::string wanted = std::string(device) + "\n" + other + "\n";
        apply_all(stack, diff(state(wanted), state(dump(stack))));

        CHECK(dump(stack) == wanted);
    }
}

void filter_contract(const StackFactory& make) {
    const std::unique_ptr<StackFixture> fixture = make();
    HostStack& stack = fixture->stack();

    SECTION("rows are held, one set of rules a network") {
        keeps_rows(stack, R"(
            filter forward 10.244.0.0/16
            filter forward 10.245.0.0/16
            filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24 fully-random
            filter masquerade 10.245.0.0/16 subnet 10.245.1.0/24)",
                   R"(
            filter masquerade 10.244.0.0/16 subnet 10.244.7.0/24
            filter masquerade 10.245.0.0/16 subnet 10.245.7.0/24 fully-random)");
    }
    SECTION("withdrawing one leaves the others") {
        install(stack, R"(
            filter forward 10.244.0.0/16
            filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24)");

        apply_all(stack, changes(Action::withdraw, "filter forward 10.244.0.0/16"));

        CHECK(dump(stack) == "filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24\n");
    }
}

}  // namespace overlab::test
