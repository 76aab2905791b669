#include "models/crosscheck/shrink.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "models/lease/network_config.h"

namespace overlab {
namespace {

class Shrinker {
   public:
    Shrinker(History history, const std::function<bool(const History&)>& fails,
             std::size_t max_tries)
        : best_(std::move(history)), fails_(fails), max_tries_(max_tries) {}

    Shrunk run() {
        for (bool smaller = true; smaller && tries_ < max_tries_;) {
            smaller = drop_steps();
            smaller = drop_probes() || smaller;
            smaller = drop_hosts() || smaller;
            smaller = simplify_underlay() || smaller;
            smaller = simplify_network() || smaller;
        }
        return {.history = std::move(best_), .tries = tries_, .minimal = tries_ < max_tries_};
    }

   private:
    /// Takes the candidate if it fails too.
    bool take(History candidate) {
        if (candidate == best_ || tries_ >= max_tries_) return false;
        ++tries_;
        if (!fails_(candidate)) return false;
        best_ = std::move(candidate);
        return true;
    }

    /// Runs of steps, longest first; from the end, since what comes late stands on what came early.
    bool drop_steps() {
        bool dropped = false;
        for (std::size_t run = best_.steps.size(); run > 0; run /= 2) {
            for (std::size_t end = best_.steps.size(); end >= run; --end) {
                if (end > best_.steps.size()) continue;
                History candidate = best_;
                const auto first = candidate.steps.begin() + static_cast<std::ptrdiff_t>(end - run);
                candidate.steps.erase(first, first + static_cast<std::ptrdiff_t>(run));
                dropped = take(std::move(candidate)) || dropped;
            }
        }
        return dropped;
    }

    bool drop_probes() {
        bool dropped = false;
        for (std::size_t step = 0; step < best_.steps.size(); ++step) {
            for (std::size_t i = best_.steps[step].probes.size(); i > 0; --i) {
                History candidate = best_;
                auto& probes = candidate.steps[step].probes;
                probes.erase(probes.begin() + static_cast<std::ptrdiff_t>(i - 1));
                dropped = take(std::move(candidate)) || dropped;
            }
        }
        return dropped;
    }

    bool drop_hosts() {
        bool dropped = false;
        for (std::size_t host = best_.layout.hosts.size(); host > 0; --host) {
            if (best_.layout.hosts.size() == 2) break;
            dropped = take(without_host(host - 1)) || dropped;
        }
        return dropped;
    }

    /// Its steps and probes go with it.
    [[nodiscard]] History without_host(std::size_t host) const {
        History less = best_;
        less.layout.hosts.erase(less.layout.hosts.begin() + static_cast<std::ptrdiff_t>(host));
        const auto renumber = [host](std::size_t& index) {
            if (index > host) --index;
        };
        std::erase_if(less.steps, [&](const HistoryStep& step) {
            return names_host(step.kind) && step.host == host;
        });
        for (HistoryStep& step : less.steps) {
            renumber(step.host);
            std::erase_if(step.probes, [&](const HistoryProbe& probe) {
                return probe.from == host || probe.to == host;
            });
            for (HistoryProbe& probe : step.probes) {
                renumber(probe.from);
                renumber(probe.to);
            }
        }
        return less;
    }

    [[nodiscard]] static bool names_host(HistoryStep::Kind kind) {
        using Kind = HistoryStep::Kind;
        return kind == Kind::start || kind == Kind::stop || kind == Kind::kill ||
               kind == Kind::rewrite || kind == Kind::meddle_delete || kind == Kind::meddle_change;
    }

    bool simplify_underlay() {
        History plain = best_;
        for (CrossSegment& segment : plain.layout.segments) segment.mtu = 1500;
        bool done = take(std::move(plain));
        if (best_.layout.segments.size() > 1) {
            History one = best_;
            one.layout.segments.resize(1);
            for (std::size_t i = 0; i < one.layout.hosts.size(); ++i) {
                one.layout.hosts[i].segment = 0;
                one.layout.hosts[i].address = one.layout.segments[0].subnet.at(1 + i);
            }
            done = take(std::move(one)) || done;
        }
        return done;
    }

    /// The configuration without one of its keys.
    bool simplify_network() {
        using Json = nlohmann::json;
        bool done = false;
        const Json all = Json::parse(best_.network_json);
        for (const std::string scope : {"", "/Backend"}) {
            const Json::json_pointer place(scope);
            for (const auto& [key, value] : all.at(place).items()) {
                if (key == "Network" || key == "Backend" || key == "Type") continue;
                Json less = Json::parse(best_.network_json);
                less.at(place).erase(key);
                if (!parse_network_config(less.dump()).problems.empty()) continue;
                History candidate = best_;
                candidate.network_json = less.dump();
                done = take(std::move(candidate)) || done;
            }
        }
        return done;
    }

    History best_;
    const std::function<bool(const History&)>& fails_;
    std::size_t max_tries_;
    std::size_t tries_ = 0;
};

}  // namespace

Shrunk shrink(const History& history, const std::function<bool(const History&)>& fails,
              std::size_t max_tries) {
    return Shrinker(history, fails, max_tries).run();
}

}  // namespace overlab
