// Traffic: flows as the file gives them, checked against their kind, and generated ones.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

#include "models/base/flat_hash.h"
#include "models/base/rng.h"
#include "models/scenario/units.h"
#include "models/scenario/workload.h"

namespace overlab {
namespace {

using Kind = TrafficSpec::Kind;

constexpr std::size_t max_flows = 20'000;
constexpr QuantityRange udp_payload_range{16, 65'507, "16B to 65507B"};
constexpr QuantityRange message_range{16, 65'507, "16B to 65507B"};
constexpr QuantityRange tcp_message_range{16, 16'000'000, "16B to 16MB"};
constexpr QuantityRange transfer_range{1, 1'000'000'000'000'000, "1B to 1000000GB"};
constexpr QuantityRange interval_range{0, 3'600'000'000'000, "0s to 1h"};
constexpr QuantityRange burst_range{1'000, 3'600'000'000'000, "1us to 1h"};

Kind kind_of(const std::string& word) {
    if (word == "udp") return Kind::udp;
    if (word == "request_response") return Kind::request_response;
    return word == "on_off" ? Kind::on_off : Kind::tcp;
}

/// Keys that only some kinds of traffic have.
struct KindKey {
    std::string_view key;
    std::array<std::string_view, 2> kinds;
};
constexpr std::array<KindKey, 10> kind_keys{{{"streams", {"tcp", ""}},
                                             {"bytes", {"tcp", ""}},
                                             {"rate", {"udp", "on_off"}},
                                             {"packet_bytes", {"udp", "on_off"}},
                                             {"request_bytes", {"request_response", ""}},
                                             {"response_bytes", {"request_response", ""}},
                                             {"over_tcp", {"request_response", ""}},
                                             {"interval", {"request_response", ""}},
                                             {"on", {"on_off", ""}},
                                             {"off", {"on_off", ""}}}};

void check_keys(const JsonCursor& at, const std::string& kind) {
    for (const KindKey& entry : kind_keys) {
        if (!at.has(entry.key) || std::ranges::find(entry.kinds, kind) != entry.kinds.end())
            continue;
        at.at(entry.key).problem(
            fmt::format(R"("{}" has no meaning for {} traffic, only for {}{}{})", entry.key, kind,
                        entry.kinds[0], entry.kinds[1].empty() ? "" : " and ", entry.kinds[1]));
    }
    const bool sends_at_a_rate = kind == "udp" || kind == "on_off";
    if (sends_at_a_rate && !at.has("rate"))
        at.problem(fmt::format(R"({} traffic needs a "rate", such as "100Mbps")", kind));
}

void read_times(const JsonCursor& at, Duration run, TrafficSpec& flow) {
    const auto end = static_cast<std::uint64_t>(run.ns);
    const std::string before_words =
        fmt::format("0s to just before the run's end at {}", duration_text(run));
    const std::string to_words = fmt::format("1ns to the run's end at {}", duration_text(run));
    const QuantityRange before_end{0, end - 1, before_words}, to_end{1, end, to_words};
    if (const auto start = at.at("start").duration(before_end))
        flow.start = *start;
    else if (!at.has("start") && flow.start >= run)
        at.problem(
            R"(it would start at 1s, when the run is over; give it a "start" before the run's )"
            "duration");
    flow.stop = at.at("stop").duration(to_end);
    if (flow.stop && *flow.stop <= flow.start) at.at("stop").problem("it stops before it starts");
}

/// Everything but name and ends.
TrafficSpec read_flow(const JsonCursor& at, Duration run) {
    TrafficSpec flow;
    const std::string kind = at.at("kind").text().value_or("tcp");
    flow.kind = kind_of(kind);
    check_keys(at, kind);
    read_times(at, run, flow);
    flow.streams = static_cast<unsigned>(at.at("streams").integer().value_or(flow.streams));
    flow.bytes = at.at("bytes").size(transfer_range).value_or(0);
    flow.rate_bps = at.at("rate").rate(traffic_rate_range).value_or(0);
    flow.packet_bytes =
        static_cast<std::uint32_t>(at.at("packet_bytes").size(udp_payload_range).value_or(0));
    flow.over_tcp = at.at("over_tcp").boolean().value_or(false);
    const QuantityRange& message = flow.over_tcp ? tcp_message_range : message_range;
    flow.request_bytes = static_cast<std::uint32_t>(
        at.at("request_bytes").size(message).value_or(flow.request_bytes));
    flow.response_bytes = static_cast<std::uint32_t>(
        at.at("response_bytes").size(message).value_or(flow.response_bytes));
    flow.interval = at.at("interval").duration(interval_range).value_or(flow.interval);
    if (flow.kind == Kind::on_off) {
        flow.on = at.at("on").duration(burst_range).value_or(milliseconds(100));
        flow.off = at.at("off").duration(burst_range).value_or(milliseconds(100));
    }
    return flow;
}

std::optional<std::size_t> find_pod(const std::vector<PodSpec>& pods, const JsonCursor& flow,
                                    std::string_view key) {
    const auto name = flow.at(key).text();
    if (!name) {
        flow.problem(fmt::format(R"(the key "{}" is missing (the name of a pod))", key));
        return std::nullopt;
    }
    const auto it = std::ranges::lower_bound(pods, *name, {}, &PodSpec::name);
    if (it != pods.end() && it->name == *name) return static_cast<std::size_t>(it - pods.begin());
    std::vector<std::string_view> names;
    for (const PodSpec& pod : pods) names.push_back(pod.name);
    flow.at(key).problem(
        fmt::format("there is no pod called {}{}", json_quote(*name), name_hint(*name, names)));
    return std::nullopt;
}

/// Draws pods by rendezvous hashing: every pod bids a hash of its name, the lowest bid wins. Pods
/// that are added elsewhere leave a draw alone unless they win it.
class PairDraw {
   public:
    PairDraw(const Scenario& scenario, const std::string& flow) : scenario_(scenario), flow_(flow) {
        for (const PodSpec& pod : scenario.pods) pod_hashes_.push_back(stable_hash(pod.name));
    }

    /// Two pods on different hosts; there must be such.
    [[nodiscard]] std::pair<std::size_t, std::size_t> draw(std::size_t number) const {
        const std::size_t from = winner(number, "from", scenario_.underlay.nodes.size());
        return {from, winner(number, "to", scenario_.pods[from].host)};
    }

   private:
    [[nodiscard]] std::size_t winner(std::size_t number, std::string_view end,
                                     std::size_t barred_host) const {
        const std::uint64_t salt =
            Rng::stream(scenario_.seed, fmt::format("traffic/{}/{}/{}", flow_, number, end)).next();
        std::optional<std::pair<std::uint64_t, std::size_t>> best;
        for (std::size_t pod = 0; pod < pod_hashes_.size(); ++pod) {
            if (scenario_.pods[pod].host == barred_host) continue;
            const std::pair bid(mix64(pod_hashes_[pod] ^ salt), pod);
            if (!best || bid < *best) best = bid;
        }
        return best->second;
    }

    const Scenario& scenario_;
    const std::string& flow_;
    std::vector<std::uint64_t> pod_hashes_;
};

std::vector<TrafficSpec> generate_flows(const JsonCursor& at, const Scenario& scenario,
                                        const std::string& name) {
    for (const std::string_view key : {"from", "to"}) {
        if (at.has(key))
            at.at(key).problem(fmt::format(R"("{}" cannot be given with "each")", key));
    }
    const auto count = static_cast<std::size_t>(at.at("count").integer().value_or(0));
    if (count == 0) {
        at.problem(R"("each" needs a "count" of flows)");
        return {};
    }
    const auto on_first_host = [&](const PodSpec& pod) {
        return pod.host == scenario.pods.front().host;
    };
    if (scenario.pods.empty() || std::ranges::all_of(scenario.pods, on_first_host)) {
        at.problem("random pairs need pods on at least two hosts");
        return {};
    }
    const TrafficSpec pattern = read_flow(at, scenario.duration);
    const PairDraw pairs(scenario, name);
    std::vector<TrafficSpec> flows;
    for (std::size_t i = 1; i <= count; ++i) {
        TrafficSpec flow = pattern;
        flow.name = fmt::format("{}-{:0{}}", name, i, fmt::formatted_size("{}", count));
        std::tie(flow.from, flow.to) = pairs.draw(i);
        flows.push_back(std::move(flow));
    }
    return flows;
}

std::vector<TrafficSpec> single_flow(const JsonCursor& at, const Scenario& scenario,
                                     const std::string& name) {
    TrafficSpec flow = read_flow(at, scenario.duration);
    flow.name = name;
    if (at.has("count")) at.at("count").problem(R"("count" has a meaning with "each" only)");
    const auto from = find_pod(scenario.pods, at, "from"), to = find_pod(scenario.pods, at, "to");
    if (!from || !to) return {};
    flow.from = *from;
    flow.to = *to;
    if (flow.from == flow.to) {
        at.at("to").problem(
            fmt::format("{} cannot send to itself; name another pod", scenario.pods[flow.to].name));
    } else if (scenario.pods[flow.from].host == scenario.pods[flow.to].host) {
        at.warning("both pods are on one host, so the overlay is not used");
    }
    return {flow};
}

}  // namespace

std::vector<TrafficSpec> read_traffic(const JsonCursor& traffic_at, const Scenario& scenario) {
    std::vector<TrafficSpec> flows;
    std::set<std::string> taken{"network"};  // names that an expectation could mean instead
    for (const UnderlayNode& node : scenario.underlay.nodes) taken.insert(node.name);
    for (const JsonCursor& at : traffic_at.items()) {
        const std::string name = at.at("name").text().value_or("");
        if (!is_name(name)) {
            at.at("name").problem(
                "a flow's name is a letter or digit, then letters, digits, '-', '_' or '.'");
            continue;
        }
        std::vector<TrafficSpec> made =
            at.has("each") ? generate_flows(at, scenario, name) : single_flow(at, scenario, name);
        for (TrafficSpec& flow : made) {
            if (!taken.insert(flow.name).second) {
                at.at("name").problem(
                    fmt::format(R"(the name {} is taken by a node, another flow or "network")",
                                json_quote(flow.name)));
            }
            flows.push_back(std::move(flow));
        }
        if (flows.size() > max_flows) {
            at.problem(fmt::format("more than {} flows in all", max_flows));
            return {};
        }
    }
    std::ranges::sort(flows, {}, &TrafficSpec::name);
    return flows;
}

}  // namespace overlab
