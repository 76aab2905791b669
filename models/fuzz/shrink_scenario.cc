#include "models/fuzz/shrink_scenario.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "models/fuzz/cluster_surgery.h"
#include "models/lease/network_config.h"

namespace overlab {
namespace {

constexpr std::array<Duration, 4> idle_times{seconds(10), minutes(1), minutes(10), hours(1)};

/// Every instant at which something begins or ends, ascending.
std::vector<Duration> borders(const Scenario& scenario) {
    std::set<Duration> all{Duration{}};
    for (const FaultSpec& fault : scenario.faults) {
        all.insert(fault.at);
        if (fault.lasts) all.insert(fault.at + *fault.lasts);
        if (fault.restore_from) all.insert(*fault.restore_from);
    }
    return {all.begin(), all.end()};
}

/// The same order of things with nothing idle for longer than `idle`; the peace at the end stays
/// as long as it was.
Scenario compressed(const Scenario& scenario, Duration idle) {
    const std::vector<Duration> before = borders(scenario);
    std::vector<Duration> after{Duration{}};
    for (std::size_t i = 1; i < before.size(); ++i)
        after.push_back(after.back() + std::min(before[i] - before[i - 1], idle));
    const auto moved = [&](Duration when) {
        const auto at = std::ranges::lower_bound(before, when);
        return after[static_cast<std::size_t>(at - before.begin())];
    };
    Scenario shorter = scenario;
    for (FaultSpec& fault : shorter.faults) {
        const Duration begin = moved(fault.at);
        if (fault.lasts) fault.lasts = moved(fault.at + *fault.lasts) - begin;
        if (fault.restore_from) fault.restore_from = moved(*fault.restore_from);
        fault.at = begin;
    }
    shorter.duration = scenario.duration - before.back() + after.back();
    return shorter;
}

class Shrinker {
   public:
    Shrinker(Scenario scenario, const std::function<bool(const Scenario&)>& fails,
             std::size_t max_tries)
        : best_(std::move(scenario)), fails_(fails), max_tries_(max_tries) {}

    ShrunkScenario run() {
        for (bool smaller = true; smaller && tries_ < max_tries_;) {
            smaller = drop_faults();
            smaller = drop_hosts() || smaller;
            smaller = drop_traffic() || smaller;
            smaller = shorten() || smaller;
            smaller = make_plain() || smaller;
        }
        return {.scenario = std::move(best_), .tries = tries_, .minimal = tries_ < max_tries_};
    }

   private:
    /// Takes the candidate if it fails too.
    bool take(Scenario candidate) {
        if (candidate == best_ || tries_ >= max_tries_) return false;
        ++tries_;
        if (!fails_(candidate)) return false;
        best_ = std::move(candidate);
        return true;
    }

    /// Runs of faults, longest first; from the end, since what comes late stands on what came
    /// early.
    bool drop_faults() {
        bool dropped = false;
        for (std::size_t run = best_.faults.size(); run > 0; run /= 2) {
            for (std::size_t end = best_.faults.size(); end >= run; --end) {
                if (end > best_.faults.size()) continue;
                Scenario candidate = best_;
                const auto first =
                    candidate.faults.begin() + static_cast<std::ptrdiff_t>(end - run);
                candidate.faults.erase(first, first + static_cast<std::ptrdiff_t>(run));
                number_faults(candidate);
                dropped = take(std::move(candidate)) || dropped;
            }
        }
        return dropped;
    }

    bool drop_hosts() {
        bool dropped = false;
        for (std::size_t node = best_.underlay.nodes.size(); node-- > 0;) {
            const UnderlayNode& host = best_.underlay.nodes[node];
            if (host.kind != UnderlayNode::Kind::host || !host.runs_node) continue;
            if (hosts() == 1) break;
            dropped = take(without_host(best_, node)) || dropped;
        }
        return dropped;
    }

    [[nodiscard]] std::ptrdiff_t hosts() const {
        return std::ranges::count_if(best_.underlay.nodes, [](const UnderlayNode& node) {
            return node.kind == UnderlayNode::Kind::host && node.runs_node;
        });
    }

    bool drop_traffic() {
        bool dropped = false;
        for (std::size_t flow = best_.traffic.size(); flow-- > 0;) {
            Scenario candidate = best_;
            candidate.traffic.erase(candidate.traffic.begin() + static_cast<std::ptrdiff_t>(flow));
            dropped = take(std::move(candidate)) || dropped;
        }
        return dropped;
    }

    bool shorten() {
        bool shorter = false;
        for (const Duration idle : idle_times) {
            if (take(compressed(best_, idle))) {
                shorter = true;
                break;
            }
        }
        for (int i = 0; i < 8; ++i) {
            Scenario candidate = best_;
            const Duration last = borders(best_).back();
            candidate.duration = last + (best_.duration - last) / 2;
            if (candidate.duration - last < seconds(1) || !take(std::move(candidate))) break;
            shorter = true;
        }
        return shorter;
    }

    bool make_plain() {
        bool plainer = false;
        if (best_.boot_spread != Duration{}) {
            Scenario candidate = best_;
            candidate.boot_spread = {};
            plainer = take(std::move(candidate));
        }
        const auto network = nlohmann::json::parse(best_.network_json);
        for (const auto& [key, value] : network.items()) {
            if (key == "Network" || key == "Backend") continue;
            auto less = network;
            less.erase(key);
            plainer = take_network(less.dump()) || plainer;
        }
        for (const auto& [key, value] : network.at("Backend").items()) {
            if (key == "Type" || key == "PSK") continue;
            auto less = network;
            less["Backend"].erase(key);
            plainer = take_network(less.dump()) || plainer;
        }
        return plainer;
    }

    bool take_network(std::string json) {
        ParsedNetworkConfig parsed = parse_network_config(json);
        if (!parsed.problems.empty()) return false;
        Scenario candidate = best_;
        candidate.network_json = std::move(json);
        candidate.network = std::move(parsed.config);
        return take(std::move(candidate));
    }

    Scenario best_;
    const std::function<bool(const Scenario&)>& fails_;
    std::size_t max_tries_;
    std::size_t tries_ = 0;
};

}  // namespace

ShrunkScenario shrink_scenario(const Scenario& scenario,
                               const std::function<bool(const Scenario&)>& fails,
                               std::size_t max_tries) {
    return Shrinker(scenario, fails, max_tries).run();
}

}  // namespace overlab
