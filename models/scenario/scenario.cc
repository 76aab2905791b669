#include "models/scenario/scenario.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "models/base/suggest.h"
#include "models/cost/cost_profile.h"
#include "models/defect/defect.h"
#include "models/scenario/backend_choice.h"
#include "models/scenario/expectations.h"
#include "models/scenario/faults.h"
#include "models/scenario/includes.h"
#include "models/scenario/json_cursor.h"
#include "models/scenario/problem_list.h"
#include "models/scenario/schema_check.h"
#include "models/scenario/topology.h"
#include "models/scenario/workload.h"
#include "models/underlay/graph.h"

namespace overlab {
namespace {

constexpr std::uint64_t hour_ns = 3'600'000'000'000;
constexpr QuantityRange run_range{1'000'000, 720 * hour_ns, "1ms to 720h"};
constexpr QuantityRange lease_range{1'000'000'000, 87'600 * hour_ns, "1s to 87600h"};
constexpr QuantityRange service_range{0, 10'000'000'000, "0s to 10s"};
constexpr QuantityRange spread_range{0, hour_ns, "0s to 1h"};
constexpr QuantityRange window_range{4096, 1U << 30, "4KiB to 1GiB"};
constexpr QuantityRange audit_range{1'000'000, 24 * hour_ns, "1ms to 24h"};
constexpr std::uint64_t reserved_addresses = 3;  // of a pod subnet: network, bridge, broadcast

void read_head(const JsonCursor& root, Scenario& scenario) {
    scenario.name = root.at("name").text().value_or("");
    if (!is_name(scenario.name)) {
        root.at("name").problem(
            "a scenario's name is a letter or digit, then letters, digits, '-', '_' or '.'");
    }
    scenario.description = root.at("description").text().value_or("");
    scenario.seed = root.at("seed").integer().value_or(scenario.seed);
    scenario.duration = root.at("duration").duration(run_range).value_or(scenario.duration);
    scenario.boot_spread =
        root.at("boot_spread").duration(spread_range).value_or(milliseconds(100));
}

/// Sorted, each once, so that the file's order says nothing.
std::vector<std::string> read_defects(const JsonCursor& defects) {
    std::vector<std::string_view> known;
    for (const Defect& defect : known_defects()) known.push_back(defect.name);
    std::set<std::string> names;
    for (const JsonCursor& at : defects.items()) {
        const std::string name = at.text().value_or("");
        if (std::ranges::find(known, name) == known.end()) {
            at.problem(fmt::format("there is no defect called {}{}", json_quote(name),
                                   name_hint(name, known)));
        } else if (!names.insert(name).second) {
            at.problem(fmt::format("{} is switched on already", json_quote(name)));
        }
    }
    return {names.begin(), names.end()};
}

void read_sim(const JsonCursor& root, SimOptions& sim) {
    const JsonCursor at = root.at("sim");
    sim.super_segments = at.at("super_segments").boolean().value_or(sim.super_segments);
    sim.cpu_model = at.at("cpu_model").boolean().value_or(sim.cpu_model);
    sim.pod_window_bytes = static_cast<std::uint32_t>(
        at.at("pod_window").size(window_range).value_or(sim.pod_window_bytes));
    sim.audit_interval = at.at("audit_interval").duration(audit_range).value_or(sim.audit_interval);

    sim.cost_profile = root.at("cost_profile").text().value_or(sim.cost_profile);
    const std::vector<std::string> names = built_in_cost_profiles();
    if (std::ranges::find(names, sim.cost_profile) != names.end()) return;
    const std::vector<std::string_view> known(names.begin(), names.end());
    root.at("cost_profile")
        .problem(fmt::format("there is no cost profile called {}{}; known: {}",
                             json_quote(sim.cost_profile), did_you_mean(sim.cost_profile, known),
                             fmt::join(names, ", ")));
}

Ipv4Prefix read_pool(const JsonCursor& at) {
    const Ipv4Prefix usual =
        Ipv4Prefix::of({0xc612'0000U}, 15);  // RFC 2544: 198.18.0.0/15, for benchmarks
    const std::optional<std::string> written = at.text();
    if (!written) return usual;
    const Result<Ipv4Prefix> pool = Ipv4Prefix::parse(*written);
    if (!pool) {
        at.problem(pool.error().what);
        return usual;
    }
    const std::uint32_t first_octet = pool->network.bits >> 24;
    if (first_octet == 0 || first_octet == 127 || first_octet >= 224)
        at.problem(fmt::format("{} holds no addresses that hosts may have", pool->to_string()));
    else if (pool->length < 8 || pool->length > 30)
        at.problem(fmt::format("{} is outside the allowed lengths /8 to /30", pool->to_string()));
    else
        return *pool;
    return usual;
}

/// Where a message that begins with `host <name>:` belongs.
JsonCursor origin_of(const std::string& message, const Topology& topology,
                     const JsonCursor& otherwise) {
    for (const NodeDraft& draft : topology.nodes) {
        if (message.starts_with(fmt::format("host {}:", draft.node.name))) return draft.origin;
    }
    return otherwise;
}

void check_connected(const UnderlayGraph& graph, const Underlay& underlay, const JsonCursor& at) {
    for (NodeIndex node = 1; node < underlay.nodes.size(); ++node) {
        if (graph.connected(0, node)) continue;
        at.problem(fmt::format("the underlay is not connected: no links lead from {} to {}",
                               underlay.nodes[0].name, underlay.nodes[node].name));
        return;
    }
}

void check_overlap(const UnderlayGraph& graph, const Scenario& scenario,
                   const JsonCursor& network) {
    for (const Segment& segment : graph.segments()) {
        if (!scenario.network.enable_ipv4 || !segment.prefix.overlaps(scenario.network.network))
            continue;
        const auto& members = segment.hosts.empty() ? segment.routers : segment.hosts;
        network.at("Network").problem(fmt::format(
            "the overlay {} overlaps the underlay segment {} of {}; choose another Network or "
            "underlay.address_pool",
            scenario.network.network.to_string(), segment.prefix.to_string(),
            scenario.underlay.nodes[members.front()].name));
        return;
    }
}

/// Everything about the underlay, the store's place included. False if the rest cannot be read on
/// top of it.
bool read_underlay(const JsonCursor& root, bool network_usable, ProblemList& problems,
                   Scenario& scenario) {
    const JsonCursor at = root.at("underlay"), store_at = root.at("store").at("at");
    const std::size_t before = problems.size();
    Topology topology = read_topology(at);
    if (problems.size() > before) return false;
    const std::string store_host = store_at.text().value_or("auto");
    if (store_host == "auto") add_store_host(store_at, topology);
    scenario.underlay = resolve_topology(topology, problems);
    scenario.underlay.address_pool = read_pool(at.at("address_pool"));
    if (problems.size() > before) return false;

    const auto host =
        find_host(scenario.underlay, store_host == "auto" ? "store" : store_host, store_at);
    if (!host) return false;
    scenario.store.host = *host;
    const Result<UnderlayGraph> graph = UnderlayGraph::build(scenario.underlay);
    if (!graph) {
        origin_of(graph.error().what, topology, at.at("address_pool")).problem(graph.error().what);
        return false;
    }
    check_connected(*graph, scenario.underlay, at);
    if (network_usable) check_overlap(*graph, scenario, root.at("network"));
    return true;
}

void read_store(const JsonCursor& at, StoreSpec& store) {
    if (at.at("kind").text().value_or("embedded") == "etcd") store.kind = StoreSpec::Kind::etcd;
    store.members = static_cast<unsigned>(at.at("members").integer().value_or(store.members));
    store.lease_ttl = at.at("lease_ttl").duration(lease_range).value_or(store.lease_ttl);
    store.service_time = at.at("service_time").duration(service_range).value_or(store.service_time);
    store.watch_batch =
        static_cast<std::uint32_t>(at.at("watch_batch").integer().value_or(store.watch_batch));
}

/// Subnets for all hosts, addresses for all pods.
void check_capacity(const JsonCursor& root, const Scenario& scenario) {
    if (!scenario.network.enable_ipv4) return;
    const auto is_node = [](const UnderlayNode& node) {
        return node.kind == UnderlayNode::Kind::host && node.runs_node;
    };
    const auto nodes =
        static_cast<std::uint64_t>(std::ranges::count_if(scenario.underlay.nodes, is_node));
    const std::uint64_t subnets = scenario.network.subnet_count();
    const JsonCursor network = root.at("network");
    if (nodes == 0) root.at("underlay").problem("no host runs a node, so there is no overlay");
    if (nodes > subnets) {
        network.at(network.has("SubnetLen") ? "SubnetLen" : "Network")
            .problem(fmt::format(
                "{} hosts need a subnet each, but only {} subnet(s) of length /{} are available; "
                "use a larger Network or a longer SubnetLen",
                nodes, subnets, scenario.network.subnet_len));
    }
    const std::uint64_t addresses = std::uint64_t{1} << (32U - scenario.network.subnet_len);
    const std::uint64_t most = addresses > reserved_addresses ? addresses - reserved_addresses : 0;
    std::map<std::size_t, std::uint64_t> pods_on;
    for (const PodSpec& pod : scenario.pods) ++pods_on[pod.host];
    for (const auto& [host, count] : pods_on) {
        if (count <= most) continue;
        root.at("pods").problem(fmt::format(
            "{} has {} pods, but a /{} subnet has addresses for {}; put fewer "
            "there or use a shorter SubnetLen",
            scenario.underlay.nodes[host].name, count, scenario.network.subnet_len, most));
        return;
    }
}

void read_document(const LocatedValue& document, ProblemList& problems, Scenario& scenario) {
    const JsonCursor root(document, problems);
    read_head(root, scenario);
    scenario.large = root.at("large").boolean().value_or(false);
    scenario.defects = read_defects(root.at("defects"));
    read_sim(root, scenario.sim);
    const bool network_usable = read_network(root.at("network"), scenario);
    read_store(root.at("store"), scenario.store);
    if (network_usable) read_compare(root.at("compare"), scenario);
    // Messages about dangling names would only repeat an underlay that could not be read.
    if (!read_underlay(root, network_usable, problems, scenario)) return;
    scenario.pods = read_pods(root.at("pods"), scenario.underlay);
    if (network_usable) check_capacity(root, scenario);
    if (!problems.empty()) return;
    scenario.traffic = read_traffic(root.at("traffic"), scenario);
    scenario.faults = read_faults(root.at("faults"), scenario);
    if (problems.empty()) scenario.expect = read_expectations(root.at("expect"), scenario);
}

}  // namespace

bool Scenario::operator==(const Scenario& other) const {
    const auto parts = [](const Scenario& s) {
        return std::tie(s.name, s.description, s.seed, s.duration, s.network_json, s.underlay,
                        s.store, s.pods, s.traffic, s.faults, s.defects, s.large, s.expect,
                        s.boot_spread, s.sim, s.compare_backends, s.compare_backend_json);
    };
    return parts(*this) == parts(other);
}

std::string Problem::to_string() const {
    std::string where = file;
    if (line > 0) where += fmt::format(":{}:{}", line, column);
    if (!pointer.empty()) where += fmt::format(": {}", pointer);
    return one_line(fmt::format("{}: {}", where, message));
}

ParsedScenario parse_scenario(std::string_view text, const std::string& file,
                              const IncludeReader& include) {
    ProblemList problems;
    Scenario scenario;
    const std::optional<LocatedValue> document = load_with_includes(text, file, include, problems);
    if (document && check_schema(*document, problems)) read_document(*document, problems, scenario);
    ParsedScenario parsed;
    parsed.problems = problems.problems();
    parsed.warnings = problems.warnings();
    if (parsed.problems.empty()) parsed.scenario = std::move(scenario);
    return parsed;
}

Result<Scenario> with_backend(const Scenario& scenario, const std::string& type) {
    const auto object = scenario.compare_backend_json.find(type);
    if (object == scenario.compare_backend_json.end()) {
        if (type == backend_name(scenario.network.backend)) return scenario;
        std::vector<std::string_view> known(scenario.compare_backends.begin(),
                                            scenario.compare_backends.end());
        for (const auto& [name, json] : scenario.compare_backend_json) {
            if (std::ranges::find(known, name) == known.end()) known.push_back(name);
        }
        return fail(
            ErrorKind::not_found,
            fmt::format("backend {}: the scenario does not compare it{}; known: {}",
                        json_quote(type), did_you_mean(type, known), fmt::join(known, ", ")));
    }
    Scenario other = scenario;
    other.network_json = replace_backend(scenario.network_json, object->second);
    ParsedNetworkConfig parsed = parse_network_config(other.network_json);
    if (!parsed.problems.empty())
        return fail(ErrorKind::invalid_argument,
                    fmt::format("backend {}: {}", type, parsed.problems[0].message));
    other.network = std::move(parsed.config);
    return other;
}

}  // namespace overlab
