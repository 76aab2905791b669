// What the defects between agent and host do at the host stack's port.
#include "tests/support/catch.h"
#include "tests/support/defect_lab.h"
#include "tests/support/fake_host_stack.h"

using namespace overlab;
using namespace overlab::test;

namespace {

const std::string device =
    "link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01";
const std::string fdb_2 = "fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1";
const std::string fdb_3 = "fdb 02:00:00:00:00:03 dst 192.0.2.3 dev flannel.1";
const std::string neigh_2 = "neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1";

struct StackLab {
    VirtualRuntime runtime;
    FakeHostStack host{"host-1", Ipv4Address::parse("192.0.2.1").value()};

    static void change(HostStack& stack, RowChange::Action action, const std::string& row) {
        const RowChange one{action, parse_row(row).value()};
        const auto outcomes = stack.apply({&one, 1});
        REQUIRE(outcomes.size() == 1);
        REQUIRE(outcomes.front().has_value());
    }
    static void install(HostStack& stack, const std::string& row) {
        change(stack, RowChange::Action::install, row);
    }
    static void withdraw(HostStack& stack, const std::string& row) {
        change(stack, RowChange::Action::withdraw, row);
    }
    [[nodiscard]] static bool shows(HostStack& stack, const std::string& row) {
        return stack.dump()->find(parse_row(row).value()) != nullptr;
    }
};

}  // namespace

TEST_CASE("no defect: the port is given back itself", "[defect]") {
    StackLab lab;
    DefectLab none(lab.runtime, {});
    CHECK(&none.layers.around(lab.host) == &lab.host);
    CHECK(none.layers.around(static_cast<IkeDaemon*>(nullptr)) == nullptr);
    CHECK(none.layers.dead_peer_detection());
    CHECK_FALSE(none.layers.first_ike_sa_kept());
}

TEST_CASE("stale-rows-kept: rows of an earlier life are never looked at", "[defect]") {
    StackLab lab;
    for (const std::string& row : {device, neigh_2, fdb_2, fdb_3}) StackLab::install(lab.host, row);
    DefectLab defects(lab.runtime, {"stale-rows-kept"});
    HostStack& stack = defects.layers.around(lab.host);

    CHECK(StackLab::shows(stack, device));
    CHECK_FALSE(StackLab::shows(stack, neigh_2));
    CHECK_FALSE(StackLab::shows(stack, fdb_3));

    // What this life installs is its own.
    StackLab::install(stack, fdb_2);
    CHECK(StackLab::shows(stack, fdb_2));
    StackLab::withdraw(stack, fdb_2);
    CHECK_FALSE(StackLab::shows(lab.host, fdb_2));
    CHECK(StackLab::shows(lab.host, fdb_3));
}

TEST_CASE("old-fdb-kept: an FDB row that should go stays", "[defect]") {
    StackLab lab;
    DefectLab defects(lab.runtime, {"old-fdb-kept"});
    HostStack& stack = defects.layers.around(lab.host);
    for (const std::string& row : {device, neigh_2, fdb_2}) StackLab::install(stack, row);

    StackLab::withdraw(stack, neigh_2);
    StackLab::withdraw(stack, fdb_2);

    CHECK_FALSE(StackLab::shows(lab.host, neigh_2));
    CHECK(StackLab::shows(lab.host, fdb_2));
    CHECK_FALSE(StackLab::shows(stack, fdb_2));
    StackLab::install(stack, fdb_2);
    CHECK(StackLab::shows(stack, fdb_2));
}

TEST_CASE("lost-fdb-row: the first one is never there, and is said to be", "[defect]") {
    StackLab lab;
    DefectLab defects(lab.runtime, {"lost-fdb-row"});
    HostStack& stack = defects.layers.around(lab.host);
    for (const std::string& row : {device, neigh_2, fdb_2, fdb_3}) StackLab::install(stack, row);

    CHECK(StackLab::shows(stack, fdb_2));
    CHECK_FALSE(StackLab::shows(lab.host, fdb_2));
    CHECK(StackLab::shows(lab.host, fdb_3));

    StackLab::withdraw(stack, fdb_2);
    CHECK_FALSE(StackLab::shows(stack, fdb_2));
}

TEST_CASE("host-gw-ignores-router: every address is on-link", "[defect]") {
    StackLab lab;
    DefectLab defects(lab.runtime, {"host-gw-ignores-router"});
    const Ipv4Address far = Ipv4Address::parse("198.51.100.1").value();

    REQUIRE_FALSE(lab.host.on_link(far).value());
    CHECK(defects.layers.around(lab.host).on_link(far).value());
}

TEST_CASE("first-reach-kept: the first answer is the last one", "[defect]") {
    StackLab lab;
    DefectLab defects(lab.runtime, {"first-reach-kept"});
    HostStack& stack = defects.layers.around(lab.host);
    const Ipv4Address far = Ipv4Address::parse("198.51.100.1").value();
    REQUIRE_FALSE(stack.on_link(far).value());

    lab.host.tables().add_host_address(0, Ipv4Address::parse("198.51.100.9").value(), 24);
    REQUIRE(lab.host.on_link(far).value());

    CHECK_FALSE(stack.on_link(far).value());
}

TEST_CASE("first-address-kept: the next life knows the first one's address", "[defect]") {
    StackLab lab;
    DefectMemory disk;
    DefectLab first(lab.runtime, {"first-address-kept"}, &disk);
    REQUIRE(first.layers.around(lab.host).facts().external_address.to_string() == "192.0.2.1");

    lab.host.changeable_facts().external_address = Ipv4Address::parse("192.0.2.7").value();

    DefectLab second(lab.runtime, {"first-address-kept"}, &disk);
    CHECK(second.layers.around(lab.host).facts().external_address.to_string() == "192.0.2.1");
}

TEST_CASE("no-audit and the defects of IKE are values", "[defect]") {
    StackLab lab;
    DefectLab defects(lab.runtime, {"no-audit", "no-dead-peer-detection", "first-ike-sa-kept"});
    NodeOptions options;

    defects.layers.adjust(options);

    CHECK(options.audit_interval == Duration{});
    CHECK_FALSE(defects.layers.dead_peer_detection());
    CHECK(defects.layers.first_ike_sa_kept());
}

TEST_CASE("known defects have one name and one sentence each", "[defect]") {
    std::string last;
    for (const Defect& defect : known_defects()) {
        CHECK(last < defect.name);
        CHECK(defect.what.size() > 20);
        last = defect.name;
    }
}
