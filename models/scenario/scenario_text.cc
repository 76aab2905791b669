#include "models/scenario/scenario_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "models/scenario/flows.h"
#include "models/scenario/units.h"

namespace overlab {
namespace {

using Json = nlohmann::ordered_json;
using FaultKind = FaultSpec::Kind;

std::string rate_text(std::uint64_t bps) { return fmt::format("{}bps", bps); }

/// Exact: nine digits behind the point are what a ratio has.
std::string ratio_text(std::uint32_t ppb) {
    return fmt::format("{}.{:09}", ppb / 1'000'000'000, ppb % 1'000'000'000);
}

std::string_view kind_text(UnderlayNode::Kind kind) {
    switch (kind) {
        case UnderlayNode::Kind::switch_:
            return "switch";
        case UnderlayNode::Kind::router:
            return "router";
        case UnderlayNode::Kind::host:
            break;
    }
    return "host";
}

Json node_json(const UnderlayNode& node) {
    Json json{{"name", node.name}, {"kind", kind_text(node.kind)}};
    if (node.address) json["address"] = node.address->to_string();
    if (node.cores != 0) json["cores"] = node.cores;
    if (node.kind == UnderlayNode::Kind::host && !node.runs_node) json["runs_node"] = false;
    return json;
}

Json link_json(const UnderlayLink& link, const Underlay& underlay) {
    const std::string& a = underlay.nodes[link.a].name;
    const std::string& b = underlay.nodes[link.b].name;
    Json json{{"ends", {a, b}}};
    if (link.name != a + "--" + b) json["name"] = link.name;
    json["rate"] = rate_text(link.rate_bps);
    json["delay"] = duration_text(link.delay);
    json["queue"] = link.queue_bytes;
    if (link.loss_ppb != 0) json["loss"] = ratio_text(link.loss_ppb);
    json["mtu"] = link.mtu;
    return json;
}

Json underlay_json(const Underlay& underlay) {
    Json nodes = Json::array(), links = Json::array();
    for (const UnderlayNode& node : underlay.nodes) nodes.push_back(node_json(node));
    for (const UnderlayLink& link : underlay.links) links.push_back(link_json(link, underlay));
    return {
        {"address_pool", underlay.address_pool.to_string()}, {"nodes", nodes}, {"links", links}};
}

Json store_json(const Scenario& scenario) {
    const StoreSpec& store = scenario.store;
    Json json{{"at", scenario.underlay.nodes[store.host].name}};
    if (store.kind == StoreSpec::Kind::etcd) json["kind"] = "etcd";
    json["members"] = store.members;
    json["lease_ttl"] = duration_text(store.lease_ttl);
    json["service_time"] = duration_text(store.service_time);
    json["watch_batch"] = store.watch_batch;
    return json;
}

void add_flow_details(const TrafficSpec& flow, Json& json) {
    switch (flow.kind) {
        case TrafficSpec::Kind::tcp:
            json["streams"] = flow.streams;
            if (flow.bytes != 0) json["bytes"] = flow.bytes;
            return;
        case TrafficSpec::Kind::on_off:
            json["on"] = duration_text(flow.on);
            json["off"] = duration_text(flow.off);
            [[fallthrough]];
        case TrafficSpec::Kind::udp:
            json["rate"] = rate_text(flow.rate_bps);
            if (flow.packet_bytes != 0) json["packet_bytes"] = flow.packet_bytes;
            return;
        case TrafficSpec::Kind::request_response:
            json["request_bytes"] = flow.request_bytes;
            json["response_bytes"] = flow.response_bytes;
            if (flow.over_tcp) json["over_tcp"] = true;
            json["interval"] = duration_text(flow.interval);
            return;
    }
}

Json flow_json(const TrafficSpec& flow, const Scenario& scenario) {
    Json json{{"name", flow.name},
              {"kind", to_string(flow.kind)},
              {"from", scenario.pods[flow.from].name},
              {"to", scenario.pods[flow.to].name},
              {"start", duration_text(flow.start)}};
    if (flow.stop) json["stop"] = duration_text(*flow.stop);
    add_flow_details(flow, json);
    return json;
}

// ---- faults ----

void add_change(const LinkChange& change, Json& json) {
    if (change.rate_bps) json["rate"] = rate_text(*change.rate_bps);
    if (change.delay) json["delay"] = duration_text(*change.delay);
    if (change.loss_ppb) json["loss"] = ratio_text(*change.loss_ppb);
    if (change.mtu) json["mtu"] = *change.mtu;
    if (change.corrupt_ppb) json["corrupt"] = ratio_text(*change.corrupt_ppb);
    if (change.duplicate_ppb) json["duplicate"] = ratio_text(*change.duplicate_ppb);
    if (change.reorder_ppb) json["reorder"] = ratio_text(*change.reorder_ppb);
}

/// What a fault has beside its times, its link and its hosts.
void add_fault_details(const FaultSpec& fault, const Scenario& scenario, Json& json) {
    switch (fault.kind) {
        case FaultKind::link_change:
            return add_change(fault.change, json);
        case FaultKind::row_delete:
        case FaultKind::row_change:
            json["rows"] = fault_rows_names[static_cast<std::size_t>(fault.rows)];
            if (fault.peer) json["peer"] = scenario.underlay.nodes[*fault.peer].name;
            return;
        case FaultKind::clock_skew:
            if (fault.offset > Duration{}) json["offset"] = duration_text(fault.offset);
            if (fault.drift_ppm != 0) json["drift_ppm"] = fault.drift_ppm;
            return;
        case FaultKind::foreign_route:
            json["destination"] = fault.destination.to_string();
            json["via"] = scenario.underlay.nodes[fault.via].name;
            return;
        case FaultKind::address_change:
            json["address"] = fault.address.to_string();
            return;
        case FaultKind::store_write:
            json["key"] = fault.key;
            json["value"] = fault.value;
            return;
        case FaultKind::store_data_loss:
            if (fault.restore_from) json["restore_from"] = duration_text(*fault.restore_from);
            return;
        case FaultKind::key_rotation:
            json["psk"] = fault.psk;
            json["step"] = duration_text(fault.step);
            return;
        default:
            return;
    }
}

Json fault_json(const FaultSpec& fault, const Scenario& scenario) {
    Json json{{"name", fault.name}, {"at", duration_text(fault.at)}};
    if (fault.lasts) json["for"] = duration_text(*fault.lasts);
    json["do"] = to_string(fault.kind);
    if (fault.kind == FaultKind::link_down || fault.kind == FaultKind::link_change)
        json["link"] = scenario.underlay.links[fault.link].name;
    if (!fault.hosts.empty()) {
        Json hosts = Json::array();
        for (const std::size_t host : fault.hosts)
            hosts.push_back(scenario.underlay.nodes[host].name);
        json["hosts"] = hosts;
    }
    add_fault_details(fault, scenario, json);
    return json;
}

Json expectation_json(const Expectation& expectation) {
    Json json{{"of", expectation.of}, {"metric", expectation.metric}};
    if (expectation.min) json["min"] = *expectation.min;
    if (expectation.max) json["max"] = *expectation.max;
    if (!expectation.backend.empty()) json["backend"] = expectation.backend;
    if (!expectation.world.empty()) json["world"] = expectation.world;
    return json;
}

Json sim_json(const SimOptions& sim) {
    return {{"super_segments", sim.super_segments},
            {"cpu_model", sim.cpu_model},
            {"pod_window", sim.pod_window_bytes},
            {"audit_interval", duration_text(sim.audit_interval)}};
}

template <typename T, typename ToJson>
void add_list(Json& json, const char* key, const std::vector<T>& values, ToJson to_json) {
    Json list = Json::array();
    for (const T& value : values) list.push_back(to_json(value));
    json[key] = std::move(list);
}

void add_compare(const Scenario& scenario, Json& json) {
    if (scenario.compare_backends.empty()) return;
    Json backends = Json::array();
    for (const std::string& type : scenario.compare_backends) {
        const auto object = scenario.compare_backend_json.find(type);
        backends.push_back(object == scenario.compare_backend_json.end()
                               ? Json(type)
                               : Json::parse(object->second));
    }
    json["compare"] = {{"network.Backend.Type", backends}};
}

}  // namespace

std::string encode_scenario(const Scenario& scenario) {
    Json json{{"overlab", 1}, {"name", scenario.name}};
    if (!scenario.description.empty()) json["description"] = scenario.description;
    json["seed"] = scenario.seed;
    json["duration"] = duration_text(scenario.duration);
    if (scenario.large) json["large"] = true;
    json["network"] = Json::parse(scenario.network_json);
    json["underlay"] = underlay_json(scenario.underlay);
    json["store"] = store_json(scenario);
    json["boot_spread"] = duration_text(scenario.boot_spread);
    json["cost_profile"] = scenario.sim.cost_profile;
    add_list(json, "pods", scenario.pods, [&](const PodSpec& pod) {
        return Json{{"name", pod.name}, {"host", scenario.underlay.nodes[pod.host].name}};
    });
    add_list(json, "traffic", scenario.traffic,
             [&](const TrafficSpec& flow) { return flow_json(flow, scenario); });
    add_list(json, "faults", scenario.faults,
             [&](const FaultSpec& fault) { return fault_json(fault, scenario); });
    if (!scenario.defects.empty()) json["defects"] = scenario.defects;
    add_compare(scenario, json);
    add_list(json, "expect", scenario.expect, expectation_json);
    json["sim"] = sim_json(scenario.sim);
    return json.dump(2) + "\n";
}

}  // namespace overlab
