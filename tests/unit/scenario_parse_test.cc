// What a right file becomes: defaults, names as indexes, generators, includes, backends to compare.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "models/scenario/scenario.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

ParsedScenario parse_text(const std::string& text,
                          const std::map<std::string, std::string>& files = {}) {
    return parse_scenario(text, "dir/main.json",
                          [&](const std::string& path) -> Result<std::string> {
                              const auto file = files.find(path);
                              if (file == files.end())
                                  return fail(ErrorKind::not_found, "no such file");
                              return file->second;
                          });
}

Scenario parse(const std::string& text, const std::map<std::string, std::string>& files = {}) {
    ParsedScenario parsed = parse_text(text, files);
    for (const Problem& problem : parsed.problems) UNSCOPED_INFO(problem.to_string());
    REQUIRE(parsed.scenario.has_value());
    return *parsed.scenario;
}

/// A whole scenario around an underlay and more keys.
std::string file(const std::string& underlay, const std::string& more = "",
                 const std::string& backend = R"({"Type":"vxlan"})") {
    return fmt::format(
        R"({{"overlab": 1, "name": "t", "network": {{"Network": "10.244.0.0/16", "Backend": {}}},
                           "underlay": {}{}}})",
        backend, underlay, more.empty() ? "" : ", " + more);
}

const std::string star4 = R"({"generate": {"star": {"hosts": 4}}})";

std::string links_of(const Scenario& scenario) {
    std::string text;
    for (const UnderlayLink& link : scenario.underlay.links) {
        text += fmt::format(
            "{} {}-{} {}Mbps {}us\n", link.name, scenario.underlay.nodes[link.a].name,
            scenario.underlay.nodes[link.b].name, link.rate_bps / 1'000'000, link.delay.ns / 1000);
    }
    return text;
}

std::string nodes_of(const Scenario& scenario) {
    std::string text;
    for (const UnderlayNode& node : scenario.underlay.nodes) {
        const char kind = node.kind == UnderlayNode::Kind::host     ? 'h'
                          : node.kind == UnderlayNode::Kind::router ? 'r'
                                                                    : 's';
        text += fmt::format("{}{}{} ", node.name, node.runs_node ? ":" : "!", kind);
    }
    return text;
}

TEST_CASE("what is left out has the documented default") {
    const Scenario scenario = parse(file(star4));

    CHECK(scenario.seed == 1);
    CHECK(scenario.duration == seconds(10));
    CHECK(scenario.boot_spread == milliseconds(100));
    CHECK(scenario.sim == SimOptions{});
    CHECK(scenario.underlay.address_pool.to_string() == "198.18.0.0/15");
    CHECK(scenario.store.lease_ttl == hours(24));
    CHECK(scenario.network_json == R"({"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}})");
    CHECK(scenario.compare_backends ==
          std::vector<std::string>{"host-gw", "vxlan", "ipsec", "udp"});
    CHECK(scenario.pods.empty());
    CHECK(scenario.traffic.empty());
}

TEST_CASE("the store places itself on a host of its own at the first switch") {
    const Scenario scenario = parse(file(star4));

    CHECK(nodes_of(scenario) == "h1:h h2:h h3:h h4:h hub:s store!h ");
    CHECK(scenario.underlay.nodes[scenario.store.host].name == "store");
    CHECK_THAT(links_of(scenario), Catch::Contains("store--hub store-hub 10000Mbps 5us"));
}

TEST_CASE("a layer-3 leaf-spine routes between racks, a layer-2 one is one segment") {
    const std::string shape =
        R"({{"generate": {{"leaf_spine": {{"leaves": 2, "spines": 2, "hosts_per_leaf": 1,
                                 "layer": {}}}}}}})";
    const Scenario routed = parse(file(fmt::format(fmt::runtime(shape), 3)));
    CHECK(nodes_of(routed) ==
          "h1:h h2:h leaf-1:r leaf-2:r rack-1:s rack-2:s spine-1:r spine-2:r store!h ");
    CHECK(links_of(routed) ==
          "h1--rack-1 h1-rack-1 10000Mbps 5us\n"
          "h2--rack-2 h2-rack-2 10000Mbps 5us\n"
          "leaf-1--spine-1 leaf-1-spine-1 40000Mbps 5us\n"
          "leaf-1--spine-2 leaf-1-spine-2 40000Mbps 5us\n"
          "leaf-2--spine-1 leaf-2-spine-1 40000Mbps 5us\n"
          "leaf-2--spine-2 leaf-2-spine-2 40000Mbps 5us\n"
          "rack-1--leaf-1 rack-1-leaf-1 10000Mbps 1us\n"
          "rack-2--leaf-2 rack-2-leaf-2 10000Mbps 1us\n"
          "store--rack-1 store-rack-1 10000Mbps 5us\n");
    const Scenario bridged = parse(file(fmt::format(fmt::runtime(shape), 2)));
    CHECK(nodes_of(bridged) == "h1:h h2:h leaf-1:s leaf-2:s spine-1:s spine-2:s store!h ");
}

TEST_CASE("rings close and wide area networks mesh their edges") {
    const Scenario ring =
        parse(file(R"({"generate": {"ring": {"switches": 3, "hosts_per_switch": 1}}})"));
    CHECK_THAT(links_of(ring), Catch::Contains("ring-3--ring-1"));
    const Scenario wan = parse(file(
        R"({"generate": {"wan": {"sites": 3, "hosts_per_site": 1, "delay": "20ms", "loss": "0.1%"}}})"));
    CHECK_THAT(links_of(wan), Catch::Contains("edge-1--edge-2 edge-1-edge-2 1000Mbps 20000us") &&
                                  Catch::Contains("edge-2--edge-3") &&
                                  Catch::Contains("edge-1--edge-3"));
    const auto& far = wan.underlay.links.front();
    CHECK(far.loss_ppb == 1'000'000);
    CHECK(wan.underlay.links.back().loss_ppb == 0);
}

TEST_CASE("numbers in generated names are padded, so that name order is number order") {
    const Scenario scenario = parse(file(R"({"generate": {"star": {"hosts": 12}}})"));

    CHECK(scenario.underlay.nodes[0].name == "h01");
    CHECK(scenario.underlay.nodes[11].name == "h12");
}

TEST_CASE("pods per host skip hosts without a node") {
    const Scenario scenario = parse(file(star4, R"("pods": {"per_host": 2})"));

    REQUIRE(scenario.pods.size() == 8);
    CHECK(scenario.pods[0] == PodSpec{"h1-p1", 0});
    CHECK(scenario.pods[7] == PodSpec{"h4-p2", 3});
}

TEST_CASE("random pairs join different hosts and do not move when an unrelated pod is added") {
    const auto pairs = [](int hosts) {
        const Scenario scenario = parse(file(
            fmt::format(R"({{"generate": {{"star": {{"hosts": {}}}}}}})", hosts),
            R"("pods": {"per_host": 1}, "traffic": [{"name": "m", "kind": "tcp", "each": "random_pair", "count": 40}])"));
        std::vector<std::pair<std::string, std::string>> names;
        for (const TrafficSpec& flow : scenario.traffic) {
            CHECK(scenario.pods[flow.from].host != scenario.pods[flow.to].host);
            names.emplace_back(scenario.pods[flow.from].name, scenario.pods[flow.to].name);
        }
        return names;
    };
    const auto few = pairs(20), more = pairs(21);
    int moved = 0;
    for (std::size_t i = 0; i < few.size(); ++i) {
        if (few[i] == more[i]) continue;
        ++moved;
        CHECK((more[i].first == "h21-p1" || more[i].second == "h21-p1"));
    }
    CHECK(moved > 0);
    CHECK(moved < 12);
}

TEST_CASE("expectations take quantities in the metric's own unit") {
    const Scenario scenario = parse(file(star4, R"("pods": {"per_host": 1},
        "traffic": [{"name": "x", "kind": "tcp", "from": "h1-p1", "to": "h2-p1"}],
        "expect": [{"of": "x", "metric": "goodput_bps", "min": "1.5Gbps", "max": 9e9},
                   {"of": "network", "metric": "converged_ns", "max": "2ms", "backend": "UDP"}])"));

    CHECK(scenario.expect[0].min == 1.5e9);
    CHECK(scenario.expect[0].max == 9e9);
    CHECK(scenario.expect[1].max == 2e6);
    CHECK(scenario.expect[1].backend == "udp");
}

TEST_CASE("includes merge objects, replace lists, and the including file wins") {
    const std::map<std::string, std::string> files{
        {"dir/base.json",
         file(star4,
              R"("seed": 5, "store": {"members": 3, "lease_ttl": "2h"}, "pods": {"per_host": 1})")},
        {"dir/later.json", R"({"seed": 6, "duration": "3s"})"}};
    const Scenario scenario = parse(
        R"({"include": ["base.json", "later.json"], "name": "own", "store": {"members": 5}, "pods": []})",
        files);

    CHECK(scenario.name == "own");
    CHECK(scenario.seed == 6);
    CHECK(scenario.duration == seconds(3));
    CHECK(scenario.store.members == 5);
    CHECK(scenario.store.lease_ttl == hours(2));
    CHECK(scenario.pods.empty());
}

TEST_CASE("a backend to compare replaces the network's and nothing else") {
    const Scenario scenario = parse(file(
        star4, R"("compare": {"network.Backend.Type": ["ipsec", {"Type": "vxlan", "VNI": 7}]})"));

    const Result<Scenario> ipsec = with_backend(scenario, "ipsec");
    REQUIRE(ipsec.has_value());
    CHECK(backend_name(ipsec->network.backend) == "ipsec");
    CHECK(std::get<IpsecConfig>(ipsec->network.backend).psk.size() == 96);
    CHECK(ipsec->network.network == scenario.network.network);
    CHECK(ipsec->underlay == scenario.underlay);
    const Result<Scenario> vxlan = with_backend(scenario, "vxlan");
    REQUIRE(vxlan.has_value());
    CHECK(std::get<VxlanConfig>(vxlan->network.backend).vni == 7);
    CHECK_THAT(with_backend(scenario, "ipsce").error().what,
               Catch::Contains("did you mean \"ipsec\"?"));
    CHECK_THAT(with_backend(scenario, "udp").error().what, Catch::Contains("known: ipsec, vxlan"));
}

TEST_CASE("the network's own backend keeps its settings in a comparison") {
    const Scenario scenario =
        parse(file(star4, "", R"({"Type": "vxlan", "VNI": 9, "DirectRouting": true})"));

    CHECK(with_backend(scenario, "vxlan")->network_json == scenario.network_json);
    CHECK(scenario.compare_backend_json.at("vxlan") ==
          R"({"Type":"vxlan","VNI":9,"DirectRouting":true})");
}

TEST_CASE("a fault's link may be named from either end") {
    const Scenario scenario =
        parse(file(star4, R"("faults": [{"at": "1s", "do": "link_down", "link": "hub--h3"}])"));

    CHECK(scenario.underlay.links[scenario.faults[0].link].name == "h3--hub");
}

TEST_CASE("what is probably not meant is a warning") {
    const ParsedScenario parsed = parse_text(file(star4, R"(
        "pods": [{"name": "a", "host": "h1"}, {"name": "b", "host": "h1"}],
        "traffic": [{"name": "x", "kind": "tcp", "from": "a", "to": "b"}])",
                                                  R"({"Type": "vxlan", "Prot": 1})"));

    REQUIRE(parsed.scenario.has_value());
    REQUIRE(parsed.warnings.size() == 2);
    CHECK(parsed.warnings[0].pointer == "/network/Backend/Prot");
    CHECK_THAT(parsed.warnings[1].message, Catch::Contains("the overlay is not used"));
}

TEST_CASE("at most twenty problems are reported, in the file's order") {
    std::string nodes;
    for (int i = 0; i < 40; ++i)
        nodes += fmt::format("{}\n{{\"name\": \"h{}\"}}", i > 0 ? "," : "", i);
    const ParsedScenario parsed =
        parse_text(file("{\"nodes\": [" + nodes + "]}", R"("store": {"at": "h1"})"));

    CHECK(parsed.problems.size() == 20);
    CHECK(std::ranges::is_sorted(parsed.problems, {}, &Problem::line));
}

}  // namespace
}  // namespace overlab
