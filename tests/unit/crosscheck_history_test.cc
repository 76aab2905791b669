#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "models/crosscheck/fixed_sas.h"
#include "models/crosscheck/history.h"
#include "models/crosscheck/history_file.h"
#include "models/crosscheck/history_generator.h"
#include "models/crosscheck/meddling.h"
#include "models/crosscheck/shrink.h"
#include "models/lease/network_config.h"
#include "models/scenario/scenario.h"
#include "tests/support/catch.h"

using namespace overlab;

namespace {

std::set<std::string> json_variants(const std::vector<History>& histories) {
    std::set<std::string> found;
    for (const History& history : histories) {
        const auto backend = nlohmann::json::parse(history.network_json).at("Backend");
        for (const auto& [key, value] : backend.items()) {
            found.insert(key == "Type" ? value.get<std::string>()
                                       : backend.at("Type").get<std::string>() + "/" + key);
        }
    }
    return found;
}

std::vector<History> many() {
    std::vector<History> histories;
    for (std::uint64_t i = 0; i < 200; ++i) histories.push_back(generate_history(5, i));
    return histories;
}

}  // namespace

TEST_CASE("a history depends on its seed and its number alone") {
    CHECK(generate_history(5, 17) == generate_history(5, 17));
    CHECK_FALSE(generate_history(5, 17) == generate_history(5, 18));
    CHECK_FALSE(generate_history(5, 17) == generate_history(6, 17));
}

TEST_CASE("histories cover every step, backend and option, one and two segments, and MTUs") {
    const std::vector<History> histories = many();
    std::set<HistoryStep::Kind> kinds;
    std::set<HistoryProbe::Target> targets;
    std::set<std::size_t> segments;
    std::set<std::size_t> hosts;
    std::set<std::uint32_t> mtus;
    for (const History& history : histories) {
        segments.insert(history.layout.segments.size());
        hosts.insert(history.layout.hosts.size());
        for (const CrossSegment& segment : history.layout.segments) mtus.insert(segment.mtu);
        for (const HistoryStep& step : history.steps) {
            kinds.insert(step.kind);
            for (const HistoryProbe& probe : step.probes) targets.insert(probe.target);
        }
    }

    CHECK(kinds.size() == history_step_names.size());
    CHECK(targets.size() == 3);
    CHECK(segments == std::set<std::size_t>{1, 2});
    CHECK(hosts == std::set<std::size_t>{2, 3, 4, 5});
    CHECK(mtus == std::set<std::uint32_t>{1400, 1500, 9000});
    CHECK(json_variants(histories) ==
          std::set<std::string>{"host-gw", "ipip", "ipip/DirectRouting", "ipsec", "ipsec/PSK",
                                "ipsec/UDPEncap", "udp", "udp/Port", "vxlan", "vxlan/DirectRouting",
                                "vxlan/MTU", "vxlan/Port", "vxlan/VNI", "wireguard",
                                "wireguard/ListenPort", "wireguard/PSK",
                                "wireguard/PersistentKeepaliveInterval"});
}

TEST_CASE("every drawn configuration is accepted without a warning") {
    for (const History& history : many()) {
        const ParsedNetworkConfig parsed = parse_network_config(history.network_json);
        INFO(history.network_json);
        CHECK(parsed.problems.empty());
        CHECK(parsed.warnings.empty());
    }
}

TEST_CASE("a history survives its text, and its scenario file") {
    for (const History& history : many()) {
        const auto read = decode_history(encode_history(history));
        REQUIRE(read.has_value());
        CHECK(*read == history);

        const std::string file = history_scenario(history, "history-5-1", "differs\nhere");
        const auto from_file = read_history_scenario(file);
        REQUIRE(from_file.has_value());
        CHECK(*from_file == history);
    }
}

TEST_CASE("the file of a history is a scenario that can be run") {
    const History history = generate_history(5, 3);
    const auto no_includes = [](const std::string&) -> Result<std::string> {
        return fail(ErrorKind::not_found, "none");
    };
    const ParsedScenario parsed =
        parse_scenario(history_scenario(history, "h", "d"), "h.json", no_includes);

    for (const Problem& problem : parsed.problems) UNSCOPED_INFO(problem.to_string());
    REQUIRE(parsed.scenario);
    const auto hosts = std::ranges::count(parsed.scenario->underlay.nodes, UnderlayNode::Kind::host,
                                          &UnderlayNode::kind);
    // One more for the store.
    CHECK(static_cast<std::size_t>(hosts) == history.layout.hosts.size() + 1);
    CHECK(parsed.scenario->seed == history.seed);
}

TEST_CASE("a history file that is wrong is refused at the wrong place") {
    struct Wrong {
        const char* name;
        const char* path;   ///< in the history, as a JSON pointer
        const char* value;  ///< put there
        const char* says;
    };
    const std::vector<Wrong> wrongs{
        {"no such host", "/steps/0/host", "9", "steps/0: no such host"},
        {"unknown step", "/steps/1/do", "\"dance\"", "steps/1: do: no such kind"},
        {"a probe to itself", "/steps/1/probes/0/to", "0", "steps/1/probes/0: goes to the host"},
        {"no TTL", "/steps/1/probes/0/ttl", "0", "steps/1/probes/0: ttl is 0"},
        {"outside the segment", "/hosts/0/address", "\"203.0.113.1\"", "outside its segment"},
        {"MTU too small", "/segments/0/mtu", "100", "mtu is not"},
        {"not a configuration", "/network/Backend/Type", "\"carrier-pigeon\"", "network/Backend"},
    };
    History history;
    history.layout = {.segments = {{Ipv4Prefix::of({0xc0000200}, 24), 1500}},
                      .hosts = {{"h01", 0, {0xc0000201}}, {"h02", 0, {0xc0000202}}}};
    history.network_json = R"({"Backend":{"Type":"vxlan"},"Network":"10.244.0.0/16"})";
    history.steps = {{.kind = HistoryStep::Kind::start, .host = 0},
                     {.kind = HistoryStep::Kind::start, .host = 1, .probes = {{.to = 1}}}};
    REQUIRE(decode_history(encode_history(history)).has_value());
    for (const Wrong& wrong : wrongs) {
        INFO(wrong.name);
        auto json = nlohmann::json::parse(encode_history(history));
        json[nlohmann::json::json_pointer(wrong.path)] = nlohmann::json::parse(wrong.value);

        const auto read = decode_history(json.dump());

        REQUIRE_FALSE(read.has_value());
        INFO(read.error().what);
        CHECK(read.error().what.find(wrong.says) != std::string::npos);
    }
    CHECK_FALSE(decode_history("{").has_value());
    CHECK(read_history_scenario("{}").error().what.find("there is none") != std::string::npos);
}

TEST_CASE("shrinking leaves what is needed and nothing else") {
    const History history = generate_history(5, 7);
    // Fails if h02 is killed after h01 was started.
    const auto fails = [](const History& candidate) {
        bool started = false;
        for (const HistoryStep& step : candidate.steps) {
            const std::string& name = candidate.layout.hosts[step.host].name;
            if (step.kind == HistoryStep::Kind::start && name == "h01") started = true;
            if (step.kind == HistoryStep::Kind::kill && name == "h02" && started) return true;
        }
        return false;
    };
    History failing = history;
    failing.steps.push_back({.kind = HistoryStep::Kind::kill, .host = 1});
    REQUIRE(fails(failing));

    const Shrunk shrunk = shrink(failing, fails);

    CHECK(shrunk.minimal);
    REQUIRE(shrunk.history.steps.size() == 2);
    CHECK(shrunk.history.steps[0].kind == HistoryStep::Kind::start);
    CHECK(shrunk.history.steps[1].kind == HistoryStep::Kind::kill);
    CHECK(shrunk.history.steps[1].probes.empty());
    CHECK(shrunk.history.layout.hosts.size() == 2);
    CHECK(shrunk.history.layout.segments.size() == 1);
    CHECK(shrink(failing, fails, 3).tries == 3);
    CHECK_FALSE(shrink(failing, fails, 3).minimal);
}

TEST_CASE("both ends of a connection have the same SAs") {
    const IkeConnection here{.local = {0xc0000201},
                             .remote = {0xc0000202},
                             .local_subnet = Ipv4Prefix::of({0x0af40100}, 24),
                             .remote_subnet = Ipv4Prefix::of({0x0af40200}, 24),
                             .psk = {},
                             .udp_encap = true};
    const IkeConnection there{.local = here.remote,
                              .remote = here.local,
                              .local_subnet = here.remote_subnet,
                              .remote_subnet = here.local_subnet,
                              .psk = {},
                              .udp_encap = true};

    CHECK(fixed_sas(here)[0] == fixed_sas(there)[1]);
    CHECK(fixed_sas(here)[1] == fixed_sas(there)[0]);
    CHECK(fixed_sas(here)[0].spi != fixed_sas(here)[1].spi);
    CHECK(fixed_sas(here)[0].encap_port == 4500);
}

TEST_CASE("a meddling hand changes a row under its key or takes it away") {
    const ForwardingState rows =
        ForwardingState::of({parse_row("fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1").value(),
                             parse_row("addr 10.244.1.0/32 dev flannel.1").value()});

    const auto deleted = meddling(rows, 3, false);
    const auto changed = meddling(rows, 3, true);
    const auto address = meddling(rows, 2, true);

    REQUIRE((deleted && changed && address));
    CHECK(deleted->action == RowChange::Action::withdraw);
    CHECK(changed->action == RowChange::Action::install);
    CHECK(to_string(changed->row) == "fdb 02:00:00:00:00:02 dst 192.0.2.3 dev flannel.1");
    CHECK(address->action == RowChange::Action::withdraw);  // an address has no value to change
    CHECK_FALSE(meddling({}, 0, true));
}
