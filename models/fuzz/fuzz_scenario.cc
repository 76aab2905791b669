#include "models/fuzz/fuzz_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "models/base/check.h"
#include "models/base/rng.h"
#include "models/fuzz/fuzz_faults.h"
#include "models/invariant/invariant_monitor.h"

namespace overlab {
namespace {

using Json = nlohmann::json;

constexpr std::size_t most_hosts = 32;
constexpr std::array<std::string_view, 5> backends{"vxlan", "host-gw", "udp", "ipip", "ipsec"};

/// Switches by the segments they are; with two, a router joins them.
struct Place {
    const char* switch_name;
    std::uint32_t network;
};
constexpr std::array<Place, 2> places{{{"sw1", 0xc0000200}, {"sw2", 0xc6336400}}};  // TEST-NET-1, 2

void add_node(Scenario& scenario, std::string name, UnderlayNode::Kind kind,
              std::optional<Ipv4Address> address, bool runs_node) {
    scenario.underlay.nodes.push_back(
        {.name = std::move(name), .kind = kind, .address = address, .runs_node = runs_node});
}

std::size_t index_of(const Underlay& underlay, std::string_view name) {
    const auto at = std::ranges::lower_bound(underlay.nodes, name, {}, &UnderlayNode::name);
    CHECK(at != underlay.nodes.end() && at->name == name);
    return static_cast<std::size_t>(at - underlay.nodes.begin());
}

void add_link(Scenario& scenario, const std::string& a, const std::string& b) {
    Underlay& underlay = scenario.underlay;
    underlay.links.push_back(
        {.name = a + "--" + b, .a = index_of(underlay, a), .b = index_of(underlay, b)});
}

void draw_underlay(Scenario& scenario, Rng rng, const FuzzOptions& options) {
    const std::size_t hosts =
        options.min_hosts + rng.below(options.max_hosts - options.min_hosts + 1);
    const std::size_t segments = 1 + rng.below(places.size());
    std::vector<std::pair<std::string, std::string>> ends;
    for (std::size_t i = 0; i < hosts; ++i) {
        const Place& place = places[i == 0 ? 0 : rng.below(segments)];
        const Ipv4Prefix segment = Ipv4Prefix::of({place.network}, 24);
        const std::string name = fmt::format("h{:02}", i + 1);
        add_node(scenario, name, UnderlayNode::Kind::host,
                 segment.at(static_cast<std::uint32_t>(10 + i)), true);
        ends.emplace_back(name, place.switch_name);
    }
    add_node(scenario, "store", UnderlayNode::Kind::host,
             Ipv4Prefix::of({places[0].network}, 24).at(9), false);
    ends.emplace_back("store", places[0].switch_name);
    if (segments == 2) {
        add_node(scenario, "r1", UnderlayNode::Kind::router, std::nullopt, true);
        for (const Place& place : places) ends.emplace_back("r1", place.switch_name);
    }
    for (std::size_t i = 0; i < segments; ++i)
        add_node(scenario, places[i].switch_name, UnderlayNode::Kind::switch_, std::nullopt, true);
    std::ranges::sort(scenario.underlay.nodes, {}, &UnderlayNode::name);
    for (const auto& [a, b] : ends) add_link(scenario, a, b);
    std::ranges::sort(scenario.underlay.links, {}, &UnderlayLink::name);
    scenario.underlay.address_pool = Ipv4Prefix::of({0xc612'0000U}, 15);
    scenario.store.host = index_of(scenario.underlay, "store");
    for (std::size_t i = 0; i < hosts; ++i) {
        const std::string name = fmt::format("h{:02}", i + 1);
        scenario.pods.push_back({name + "-p1", index_of(scenario.underlay, name)});
    }
}

Json draw_backend(Rng& rng, const FuzzOptions& options) {
    const std::string type = options.backend.empty()
                                 ? std::string(backends[rng.below(backends.size())])
                                 : options.backend;
    Json backend{{"Type", type}};
    if (type == "ipsec") backend["PSK"] = std::string(96, 'k');
    if ((type == "vxlan" || type == "ipip") && rng.chance(1, 3)) backend["DirectRouting"] = true;
    if (type == "vxlan" && rng.chance(1, 4)) backend["VNI"] = 1 + rng.below(100);
    if (type == "vxlan" && rng.chance(1, 6)) backend["MTU"] = 1400;
    if (type == "ipsec" && rng.chance(1, 3)) backend["UDPEncap"] = true;
    return backend;
}

/// Now and then hardly more subnets than hosts, so that they clash and run out.
void draw_network(Scenario& scenario, Rng rng, const FuzzOptions& options) {
    Json network{{"Network", "10.244.0.0/16"}, {"Backend", draw_backend(rng, options)}};
    if (rng.chance(1, 4)) {
        network["SubnetMin"] = "10.244.1.0";
        network["SubnetMax"] = fmt::format("10.244.{}.0", scenario.pods.size() + 1 + rng.below(3));
    }
    scenario.network_json = network.dump();
    ParsedNetworkConfig parsed = parse_network_config(scenario.network_json);
    CHECK(parsed.problems.empty());
    scenario.network = std::move(parsed.config);
}

/// Slow enough that hours of it cost little.
void draw_traffic(Scenario& scenario, Rng rng) {
    for (std::size_t i = 0; i < scenario.pods.size() && scenario.pods.size() > 1; ++i) {
        TrafficSpec flow;
        flow.name = fmt::format("f{:02}", i + 1);
        flow.from = i;
        flow.to = (i + 1 + rng.below(scenario.pods.size() - 1)) % scenario.pods.size();
        flow.kind = TrafficSpec::Kind::request_response;
        flow.interval = milliseconds(200);
        scenario.traffic.push_back(flow);
    }
}

}  // namespace

Scenario draw_scenario(std::uint64_t seed, const FuzzOptions& options) {
    CHECK(options.min_hosts >= 1 && options.min_hosts <= options.max_hosts &&
          options.max_hosts <= most_hosts && options.min_faults <= options.max_faults);
    Rng rng = Rng::stream(seed, "fuzz/scenario");
    Scenario scenario;
    scenario.name = fmt::format("fuzz-{}", seed);
    scenario.seed = seed;
    scenario.duration = options.duration;
    scenario.defects = options.defects;
    draw_underlay(scenario, Rng::stream(seed, "fuzz/underlay"), options);
    draw_network(scenario, Rng::stream(seed, "fuzz/network"), options);
    if (options.traffic) draw_traffic(scenario, Rng::stream(seed, "fuzz/traffic"));

    const bool long_run = options.duration >= hours(24);
    constexpr std::array<Duration, 3> long_lives{hours(24), hours(24), hours(6)};
    constexpr std::array<Duration, 3> short_lives{minutes(2), minutes(1), seconds(30)};
    const auto& lives = long_run ? long_lives : short_lives;
    scenario.store.lease_ttl = lives[rng.below(lives.size())];
    scenario.boot_spread = rng.chance(1, 2) ? Duration{} : seconds(10);
    if (long_run) {
        constexpr std::array<Duration, 3> audits{minutes(30), hours(1), hours(6)};
        scenario.sim.audit_interval = audits[rng.below(audits.size())];
    }
    scenario.sim.cpu_model = false;

    const Duration peace = converge_bound(scenario) + minutes(1);
    const Duration end = scenario.duration - peace;
    CHECK(end > scenario.boot_spread + minutes(1));
    const std::size_t faults =
        options.min_faults + rng.below(options.max_faults - options.min_faults + 1);
    draw_faults(scenario, Rng::stream(seed, "fuzz/faults"), faults, end);
    return scenario;
}

}  // namespace overlab
