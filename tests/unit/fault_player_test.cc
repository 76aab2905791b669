// When a player tells a target what, where faults overlap.
#include "models/fault/fault_player.h"

#include <optional>

#include "tests/support/catch.h"
#include "tests/support/recording_target.h"
#include "tests/support/virtual_runtime.h"

using namespace overlab;
using namespace overlab::test;

namespace {

using Kind = FaultSpec::Kind;
using Lines = std::vector<std::string>;

FaultSpec fault(Kind kind, int at_s, std::optional<int> for_s = std::nullopt,
                std::vector<std::size_t> hosts = {0}) {
    FaultSpec spec;
    spec.kind = kind;
    spec.at = seconds(at_s);
    if (for_s) spec.lasts = seconds(*for_s);
    spec.hosts = std::move(hosts);
    spec.name = "a fault";
    return spec;
}

/// Three hosts that run agents, one (the last) that does not, and two links.
Scenario four_hosts() {
    Scenario scenario;
    for (const char* name : {"h1", "h2", "h3", "store"}) {
        scenario.underlay.nodes.push_back({.name = name, .runs_node = name[0] == 'h'});
    }
    scenario.underlay.links = {{.name = "h1--sw", .a = 0, .b = 1},
                               {.name = "h2--sw", .a = 1, .b = 2}};
    scenario.network_json = R"({"Network":"10.1.0.0/16","backend":{"Type":"ipsec","psk":"old"}})";
    return scenario;
}

class Journal final : public FaultListener {
   public:
    Lines lines;
    void fault_began(std::size_t fault, const std::string&) override { add("began", fault); }
    void fault_ended(std::size_t fault, const std::string&) override { add("ended", fault); }
    void fault_refused(std::size_t, const Error& why) override { lines.push_back(why.what); }

   private:
    void add(const char* what, std::size_t fault) {
        lines.push_back(fmt::format("{} {}", what, fault));
    }
};

struct Stage {
    explicit Stage(std::vector<FaultSpec> faults, Scenario start = four_hosts())
        : scenario(std::move(start)) {
        scenario.faults = std::move(faults);
        player.emplace(runtime, scenario, target, std::vector<FaultListener*>{&journal});
        player->start({});
    }
    Lines play() {
        REQUIRE(runtime.run_all());
        CHECK(target.wrongs == Lines{});
        return target.told;
    }

    VirtualRuntime runtime;
    Scenario scenario;
    RecordingTarget target{runtime};
    Journal journal;
    std::optional<FaultPlayer> player;
};

}  // namespace

TEST_CASE("two faults hold one link down: it comes up with the last") {
    Stage stage({fault(Kind::link_down, 1, 4), fault(Kind::link_down, 2, 1)});

    CHECK(stage.play() == Lines{"1 link_down 0", "5 link_up 0"});
    CHECK(stage.player->all_healed());
    CHECK(stage.journal.lines == Lines{"began 0", "began 1", "ended 1", "ended 0"});
}

TEST_CASE("where one fault takes over from another nothing comes up in between") {
    Stage stage({fault(Kind::host_crash, 1, 2), fault(Kind::host_crash, 3, 2)});

    CHECK(stage.play() == Lines{"1 power_off 0", "5 power_on 0", "5 start_agent 0"});
}

TEST_CASE("changes of one link: the later wins where both name a field, and leaves what it took") {
    FaultSpec lossy = fault(Kind::link_change, 1, 4);
    lossy.change.loss_ppb = 5;
    FaultSpec narrow = fault(Kind::link_change, 2, 1);
    narrow.change.loss_ppb = 7;
    narrow.change.mtu = 1400;
    Stage stage({lossy, narrow});

    CHECK(stage.play() == Lines{"1 change 0 loss 5 mtu 0", "2 change 0 loss 7 mtu 1400",
                                "3 change 0 loss 5 mtu 0", "5 change 0 loss 0 mtu 0"});
}

TEST_CASE("partitions come to their finest common one") {
    Stage stage({fault(Kind::partition, 1, 4, {0, 1}), fault(Kind::partition, 2, 1, {1, 2})});

    CHECK(stage.play() == Lines{"1 groups [[0, 1]]", "2 groups [[0], [1], [2]]",
                                "3 groups [[0, 1]]", "5 groups []"});
}

TEST_CASE("a killed agent that crashes is not started by the power, but by the end of the kill") {
    Stage stage({fault(Kind::agent_kill, 1, 5), fault(Kind::host_crash, 2, 2)});
    REQUIRE(stage.runtime.run_until({seconds(5).ns}));
    CHECK(!stage.player->agent_wanted(0));
    CHECK(stage.player->agent_wanted(1));

    CHECK(stage.play() ==
          Lines{"1 kill_agent 0", "2 power_off 0", "4 power_on 0", "6 start_agent 0"});
    CHECK(stage.player->agent_wanted(0));
}

TEST_CASE("a paused host that crashes is off first, and paused again once it is on") {
    Stage stage({fault(Kind::host_pause, 1, 5), fault(Kind::host_crash, 2, 2)});

    CHECK(stage.play() == Lines{"1 pause 0", "2 power_off 0", "2 resume 0", "4 power_on 0",
                                "4 pause 0", "6 resume 0", "6 start_agent 0"});
}

TEST_CASE("on a paused host an agent dies when it goes on") {
    Stage stage({fault(Kind::host_pause, 1, 2), fault(Kind::agent_kill, 2, 4)});

    CHECK(stage.play() == Lines{"1 pause 0", "3 resume 0", "3 kill_agent 0", "6 start_agent 0"});
}

TEST_CASE("the daemon comes with the power; one that is held down is killed again") {
    Stage stage({fault(Kind::ike_down, 1, 5), fault(Kind::host_crash, 2, 1)});

    CHECK(stage.play() == Lines{"1 kill_ike 0", "2 power_off 0", "3 power_on 0", "3 start_agent 0",
                                "3 kill_ike 0", "6 start_ike 0"});
}

TEST_CASE("drifts add up; a clock jumps only where it runs") {
    FaultSpec fast = fault(Kind::clock_skew, 1, 4);
    fast.drift_ppm = 100;
    fast.offset = nanoseconds(7);
    FaultSpec slow = fault(Kind::clock_skew, 2, 1);
    slow.drift_ppm = -100;
    Stage stage({fast, slow});

    CHECK(stage.play() ==
          Lines{"1 jump 0 7", "1 drift 0 100", "2 drift 0 0", "3 drift 0 100", "5 drift 0 0"});
}

TEST_CASE("a slow clock never stands still, however many faults slow it") {
    FaultSpec slow = fault(Kind::clock_skew, 1, 1);
    slow.drift_ppm = -900'000;
    Stage stage({slow, slow});

    CHECK(stage.play() ==
          Lines{"1 drift 0 -900000", "1 drift 0 -999999", "2 drift 0 -900000", "2 drift 0 0"});
}

TEST_CASE("a store's past is remembered when it is needed later") {
    FaultSpec loss = fault(Kind::store_data_loss, 5);
    loss.restore_from = seconds(2);
    Stage stage({fault(Kind::store_compaction, 1), fault(Kind::store_leader_loss, 3, 1), loss,
                 fault(Kind::store_data_loss, 6)});

    CHECK(stage.play() == Lines{"1 compact", "2 snapshot 2", "3 leader false", "4 leader true",
                                "5 restore 2", "6 restore nothing"});
    CHECK(stage.player->all_healed());
}

TEST_CASE("a key rotation writes the configuration and starts the agents one after another") {
    FaultSpec rotation = fault(Kind::key_rotation, 1);
    rotation.psk = "new";
    rotation.step = seconds(2);
    Stage stage({rotation, fault(Kind::agent_kill, 2, 5, {1})});
    REQUIRE(stage.runtime.run_until({seconds(4).ns}));
    CHECK(!stage.player->all_healed());

    const Lines told = stage.play();

    CHECK(
        told ==
        Lines{R"(1 write config {"Network":"10.1.0.0/16","backend":{"Type":"ipsec","psk":"new"}})",
              "1 kill_agent 0", "1 start_agent 0", "2 kill_agent 1", "5 kill_agent 2",
              "5 start_agent 2", "7 start_agent 1"});
    CHECK(stage.journal.lines == Lines{"began 0", "began 1", "ended 0", "ended 1"});
}

TEST_CASE("only ipsec has a key to rotate: else that is refused, and no configuration written") {
    Scenario scenario = four_hosts();
    scenario.network_json = R"({"Network":"10.1.0.0/16"})";
    Stage stage({fault(Kind::key_rotation, 1)}, scenario);

    const Lines told = stage.play();

    CHECK(told.front() == "1 kill_agent 0");
    CHECK(stage.journal.lines[1].starts_with("network: its backend has no PSK"));
}

TEST_CASE("an address changes under no agent, also of a host that is off or paused") {
    FaultSpec change = fault(Kind::address_change, 2);
    change.address = *Ipv4Address::parse("192.0.2.9");

    CHECK(Stage({change}).play() ==
          Lines{"2 kill_agent 0", "2 address 0 192.0.2.9", "2 start_agent 0"});
    CHECK(Stage({fault(Kind::host_crash, 1, 2), change}).play() ==
          Lines{"1 power_off 0", "2 address 0 192.0.2.9", "3 power_on 0", "3 start_agent 0"});
    CHECK(Stage({fault(Kind::host_pause, 1, 2), change}).play() ==
          Lines{"1 pause 0", "3 resume 0", "3 kill_agent 0", "3 address 0 192.0.2.9",
                "3 start_agent 0"});
}

TEST_CASE("a crash takes an operator's route along; there is none to remove") {
    FaultSpec route = fault(Kind::foreign_route, 1, 5);
    route.destination = *Ipv4Prefix::parse("10.1.2.0/24");
    route.via = 2;

    CHECK(Stage({route}).play() ==
          Lines{"1 add_route 0 10.1.2.0/24 via 2", "6 remove_route 0 10.1.2.0/24 via 2"});
    CHECK(Stage({route, fault(Kind::host_crash, 2, 1)}).play() ==
          Lines{"1 add_route 0 10.1.2.0/24 via 2", "2 power_off 0", "3 power_on 0",
                "3 start_agent 0"});
}

TEST_CASE("what a host that is off cannot do is refused, and the target is not told") {
    Stage stage({fault(Kind::host_crash, 1, 5), fault(Kind::row_delete, 2),
                 fault(Kind::vtep_mac, 3), fault(Kind::lease_expiry, 4)});

    CHECK(stage.play() == Lines{"1 power_off 0", "4 expire 0", "6 power_on 0", "6 start_agent 0"});
    CHECK(stage.journal.lines[2] == "h1: is off: there is nothing to change");
}

TEST_CASE("a target's refusal reaches the listeners, and the fault goes on") {
    Stage stage({fault(Kind::store_unreachable, 1, 1, {0, 1})});
    stage.target.refused = {"store_far 0"};

    CHECK(stage.play() ==
          Lines{"1 store_far 0", "1 store_far 1", "2 store_near 0", "2 store_near 1"});
    CHECK(stage.journal.lines == Lines{"began 0", "store_far 0: refused", "ended 0"});
}

TEST_CASE("a fault without an end never heals") {
    Stage stage({fault(Kind::link_down, 1)});

    CHECK(stage.play() == Lines{"1 link_down 0"});
    CHECK(!stage.player->all_healed());
}

TEST_CASE("a player that is gone tells nothing more") {
    VirtualRuntime runtime;
    Scenario scenario = four_hosts();
    scenario.faults = {fault(Kind::link_down, 1, 1)};
    RecordingTarget target(runtime);
    {
        FaultPlayer player(runtime, scenario, target, {});
        player.start({});
        REQUIRE(runtime.run_until({seconds(1).ns}));
    }

    REQUIRE(runtime.run_all());
    CHECK(target.told == Lines{"1 link_down 0"});
}

TEST_CASE("kinds that a world does not support are named once") {
    Scenario scenario = four_hosts();
    scenario.faults = {fault(Kind::vtep_mac, 1), fault(Kind::link_down, 1),
                       fault(Kind::vtep_mac, 2), fault(Kind::host_crash, 3)};
    const Kind supported[] = {Kind::link_down};

    CHECK(faults_outside(scenario, supported) == std::vector{Kind::host_crash, Kind::vtep_mac});
}
