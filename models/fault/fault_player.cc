#include "models/fault/fault_player.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "models/base/check.h"
#include "models/fault/fault_overlap.h"

namespace overlab {
namespace {

using Kind = FaultSpec::Kind;

/// How many faults want something of a host, and what its target was told last.
struct HostState {
    unsigned crashes = 0, pauses = 0, kills = 0, ike_kills = 0, store_cuts = 0;
    std::int64_t drift_ppm = 0;
    /// To be done once the host runs.
    std::optional<Ipv4Address> address;
    bool restart = false;

    bool powered = true, paused = false, agent = true, ike = true;
    std::int32_t told_ppm = 0;
};

struct LinkState {
    unsigned downs = 0;
    std::vector<const LinkChange*> changes;  ///< in force, oldest first
    LinkChange told;
};

/// One more of what is counted.
bool first(unsigned& count) { return count++ == 0; }
/// One less.
bool last(unsigned& count) {
    CHECK(count > 0);
    return --count == 0;
}

std::int32_t clock_ppm(std::int64_t sum) {
    // A clock can be slow, but it cannot stand still or run backwards.
    return static_cast<std::int32_t>(
        std::clamp<std::int64_t>(sum, -999'999, std::numeric_limits<std::int32_t>::max()));
}

}  // namespace

class FaultPlayer::Impl {
   public:
    Impl(Runtime& runtime, const Scenario& scenario, FaultTarget& target,
         std::vector<FaultListener*> listeners)
        : runtime_(runtime),
          scenario_(scenario),
          target_(target),
          listeners_(std::move(listeners)),
          hosts_(scenario.underlay.nodes.size()),
          links_(scenario.underlay.links.size()),
          unhealed_(scenario.faults.size()) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        for (const TimerId timer : timers_) runtime_.cancel(timer);
    }

    void start(Instant origin);
    [[nodiscard]] bool all_healed() const { return unhealed_ == 0; }
    [[nodiscard]] bool agent_wanted(std::size_t host) const {
        const HostState& state = hosts_.at(host);
        return state.crashes == 0 && state.pauses == 0 && state.kills == 0;
    }

   private:
    using Route = std::tuple<std::size_t, Ipv4Prefix, std::size_t>;  ///< host, destination, via

    void at(Instant when, auto action) {
        timers_.push_back(runtime_.call_at(when, std::move(action)));
    }
    void schedule_rotation(std::size_t fault, Instant begin);
    void begin(std::size_t fault);
    void end(std::size_t fault);
    void tell_ended(std::size_t fault);
    void note(std::size_t fault, const Result<void>& outcome);

    /// Everything but instants: `on` at the beginning, off at the end.
    void turn(std::size_t fault, bool on);
    void turn_link(std::size_t fault, bool on);
    void turn_change(std::size_t fault, bool on);
    void turn_partition(std::size_t fault, bool on);
    void turn_leader(std::size_t fault, bool on);
    void turn_host(std::size_t fault, std::size_t host, bool on);
    void turn_clock(std::size_t fault, std::size_t host, bool on);
    void turn_store(std::size_t fault, std::size_t host, bool on);
    void turn_route(std::size_t fault, std::size_t host, bool on);
    void happen(std::size_t fault);
    void happen_to(std::size_t fault, std::size_t host);
    void write_key(std::size_t fault);

    void settle(std::size_t fault, std::size_t host);
    void settle_power(std::size_t fault, std::size_t host);
    void settle_programs(std::size_t fault, std::size_t host);

    [[nodiscard]] const FaultSpec& spec(std::size_t fault) const { return scenario_.faults[fault]; }
    [[nodiscard]] const std::string& name_of(std::size_t host) const {
        return scenario_.underlay.nodes[host].name;
    }

    Runtime& runtime_;
    const Scenario& scenario_;
    FaultTarget& target_;
    std::vector<FaultListener*> listeners_;
    std::vector<HostState> hosts_;
    std::vector<LinkState> links_;
    std::vector<const std::vector<std::size_t>*> partitions_;  ///< in force, oldest first
    std::vector<std::vector<std::size_t>> told_groups_;
    std::map<Route, unsigned> routes_;  ///< foreign ones that are there
    unsigned leader_losses_ = 0;
    std::size_t unhealed_;
    std::vector<TimerId> timers_;
};

// Beginnings are asked for before ends, so that where one fault takes over from another in the same
// instant nothing comes up in between.
void FaultPlayer::Impl::start(Instant origin) {
    const std::size_t count = scenario_.faults.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (spec(i).kind != Kind::store_data_loss || !spec(i).restore_from) continue;
        at(origin + *spec(i).restore_from, [this, i] { note(i, target_.snapshot_store(i)); });
    }
    for (std::size_t i = 0; i < count; ++i) at(origin + spec(i).at, [this, i] { begin(i); });
    for (std::size_t i = 0; i < count; ++i) {
        if (spec(i).kind == Kind::key_rotation) {
            schedule_rotation(i, origin + spec(i).at);
        } else if (!is_instant(spec(i).kind) && spec(i).lasts) {
            at(origin + spec(i).at + *spec(i).lasts, [this, i] { end(i); });
        }
    }
}

void FaultPlayer::Impl::schedule_rotation(std::size_t fault, Instant begin) {
    std::vector<std::size_t> agents;  // nodes are sorted by name
    for (std::size_t host = 0; host < hosts_.size(); ++host) {
        const UnderlayNode& node = scenario_.underlay.nodes[host];
        if (node.kind == UnderlayNode::Kind::host && node.runs_node) agents.push_back(host);
    }
    Instant when = begin;
    for (std::size_t i = 0; i < agents.size(); ++i, when = when + spec(fault).step) {
        at(when, [this, fault, host = agents[i], final = i + 1 == agents.size()] {
            hosts_[host].restart = true;
            settle(fault, host);
            if (final) tell_ended(fault);
        });
    }
    if (agents.empty()) at(begin, [this, fault] { tell_ended(fault); });
}

void FaultPlayer::Impl::begin(std::size_t fault) {
    const std::string what = describe(spec(fault), scenario_);
    for (FaultListener* listener : listeners_) listener->fault_began(fault, what);
    if (spec(fault).kind == Kind::key_rotation) {
        write_key(fault);
    } else if (is_instant(spec(fault).kind)) {
        happen(fault);
        tell_ended(fault);
    } else {
        turn(fault, true);
    }
}

void FaultPlayer::Impl::end(std::size_t fault) {
    tell_ended(fault);
    turn(fault, false);
}

void FaultPlayer::Impl::tell_ended(std::size_t fault) {
    CHECK(unhealed_ > 0);
    --unhealed_;
    const std::string what = describe(spec(fault), scenario_);
    for (FaultListener* listener : listeners_) listener->fault_ended(fault, what);
}

void FaultPlayer::Impl::note(std::size_t fault, const Result<void>& outcome) {
    if (outcome) return;
    for (FaultListener* listener : listeners_) listener->fault_refused(fault, outcome.error());
}

void FaultPlayer::Impl::turn(std::size_t fault, bool on) {
    const FaultSpec& what = spec(fault);
    if (what.kind == Kind::link_down) return turn_link(fault, on);
    if (what.kind == Kind::link_change) return turn_change(fault, on);
    if (what.kind == Kind::partition) return turn_partition(fault, on);
    if (what.kind == Kind::store_leader_loss) return turn_leader(fault, on);
    for (const std::size_t host : what.hosts) turn_host(fault, host, on);
}

void FaultPlayer::Impl::turn_link(std::size_t fault, bool on) {
    LinkState& link = links_.at(spec(fault).link);
    if (on ? first(link.downs) : last(link.downs)) {
        note(fault, target_.set_link_up(spec(fault).link, !on));
    }
}

void FaultPlayer::Impl::turn_change(std::size_t fault, bool on) {
    LinkState& link = links_.at(spec(fault).link);
    if (on) {
        link.changes.push_back(&spec(fault).change);
    } else {
        std::erase(link.changes, &spec(fault).change);
    }
    const LinkChange now = merged(link.changes);
    if (now == link.told) return;
    link.told = now;
    note(fault, target_.change_link(spec(fault).link, now));
}

void FaultPlayer::Impl::turn_partition(std::size_t fault, bool on) {
    if (on) {
        partitions_.push_back(&spec(fault).hosts);
    } else {
        std::erase(partitions_, &spec(fault).hosts);
    }
    std::vector<std::vector<std::size_t>> groups = common_groups(partitions_);
    if (groups == told_groups_) return;
    told_groups_ = std::move(groups);
    note(fault, target_.set_groups(told_groups_));
}

void FaultPlayer::Impl::turn_leader(std::size_t fault, bool on) {
    if (on ? first(leader_losses_) : last(leader_losses_)) {
        note(fault, target_.set_store_leader(!on));
    }
}

void FaultPlayer::Impl::turn_host(std::size_t fault, std::size_t host, bool on) {
    HostState& state = hosts_.at(host);
    const auto count = [on](unsigned& of) { return on ? first(of) : last(of); };
    switch (spec(fault).kind) {
        case Kind::host_crash:
            (void)count(state.crashes);
            break;  // settle() sees what is new
        case Kind::host_pause:
            (void)count(state.pauses);
            break;
        case Kind::agent_kill:
            (void)count(state.kills);
            break;
        case Kind::ike_down:
            (void)count(state.ike_kills);
            break;
        case Kind::clock_skew:
            return turn_clock(fault, host, on);
        case Kind::store_unreachable:
            return turn_store(fault, host, on);
        case Kind::foreign_route:
            return turn_route(fault, host, on);
        default:
            CHECK(false);
    }
    settle(fault, host);
}

void FaultPlayer::Impl::turn_clock(std::size_t fault, std::size_t host, bool on) {
    HostState& state = hosts_.at(host);
    // A host that is off has no monotonic clock that could jump: it begins anew at its boot.
    if (on && spec(fault).offset > Duration{} && state.powered) {
        note(fault, target_.jump_clock(host, spec(fault).offset));
    }
    state.drift_ppm += on ? spec(fault).drift_ppm : -std::int64_t{spec(fault).drift_ppm};
    const std::int32_t now = clock_ppm(state.drift_ppm);
    if (now == state.told_ppm) return;
    state.told_ppm = now;
    note(fault, target_.set_clock_drift(host, now));
}

void FaultPlayer::Impl::turn_store(std::size_t fault, std::size_t host, bool on) {
    HostState& state = hosts_.at(host);
    if (on ? first(state.store_cuts) : last(state.store_cuts)) {
        note(fault, target_.set_store_reachable(host, !on));
    }
}

void FaultPlayer::Impl::turn_route(std::size_t fault, std::size_t host, bool on) {
    const FaultSpec& what = spec(fault);
    const Route route{host, what.destination, what.via};
    const auto there = routes_.find(route);
    if (on && !hosts_.at(host).powered) {
        note(fault, fail(ErrorKind::unavailable,
                         fmt::format("{}: is off: nobody can add a route there", name_of(host))));
    } else if (on && there != routes_.end()) {
        ++there->second;
    } else if (on) {
        routes_.emplace(route, 1);
        note(fault, target_.add_foreign_route(host, what.destination, what.via));
    } else if (there != routes_.end() && last(there->second)) {
        // Where it is not there any more the host has crashed since.
        routes_.erase(there);
        note(fault, target_.remove_foreign_route(host, what.destination, what.via));
    }
}

void FaultPlayer::Impl::happen(std::size_t fault) {
    const FaultSpec& what = spec(fault);
    if (what.kind == Kind::store_compaction) return note(fault, target_.compact_store());
    if (what.kind == Kind::store_write)
        return note(fault, target_.write_store(what.key, what.value));
    if (what.kind == Kind::store_data_loss) {
        const auto number = what.restore_from ? std::optional(fault) : std::nullopt;
        return note(fault, target_.restore_store(number));
    }
    for (const std::size_t host : what.hosts) happen_to(fault, host);
}

void FaultPlayer::Impl::happen_to(std::size_t fault, std::size_t host) {
    const FaultSpec& what = spec(fault);
    if (what.kind == Kind::lease_expiry) return note(fault, target_.expire_lease(host));
    if (what.kind == Kind::address_change) {
        hosts_.at(host).address = what.address;
        return settle(fault, host);
    }
    if (!hosts_.at(host).powered) {
        const std::string why =
            fmt::format("{}: is off: there is nothing to change", name_of(host));
        return note(fault, fail(ErrorKind::unavailable, why));
    }
    switch (what.kind) {
        case Kind::row_delete:
            return note(fault, target_.delete_rows(host, what));
        case Kind::row_change:
            return note(fault, target_.change_rows(host, what));
        case Kind::vtep_mac:
            return note(fault, target_.change_vtep_mac(host));
        default:
            CHECK(false);
    }
}

void FaultPlayer::Impl::write_key(std::size_t fault) {
    const Result<std::string> config = with_psk(scenario_.network_json, spec(fault).psk);
    if (!config) return note(fault, std::unexpected(config.error()));
    note(fault, target_.write_store("config", *config));
}

/// Brings a host from what its target was told to what all faults in force want of it.
void FaultPlayer::Impl::settle(std::size_t fault, std::size_t host) {
    settle_power(fault, host);
    // On a host that stands still nothing runs that could be killed or started.
    if (!hosts_.at(host).paused) settle_programs(fault, host);
}

void FaultPlayer::Impl::settle_power(std::size_t fault, std::size_t host) {
    HostState& state = hosts_.at(host);
    const bool power = state.crashes == 0;
    if (!power && state.powered) {
        state.powered = state.agent = state.restart = false;
        std::erase_if(routes_, [&](const auto& entry) { return std::get<0>(entry.first) == host; });
        note(fault, target_.power_off(host));
    } else if (power && !state.powered) {
        state.powered = true;
        state.ike = true;  // it comes with the agent, as after a boot
        note(fault, target_.power_on(host));
    }
    // After the power went: a host that goes on would do at once what was due meanwhile.
    const bool pause = power && state.pauses > 0;
    if (pause == state.paused) return;
    state.paused = pause;
    note(fault, pause ? target_.pause(host) : target_.resume(host));
}

void FaultPlayer::Impl::settle_programs(std::size_t fault, std::size_t host) {
    HostState& state = hosts_.at(host);
    const bool agent = state.powered && state.kills == 0;
    const bool restart = std::exchange(state.restart, false) || state.address;
    if (state.agent && (!agent || restart)) {
        state.agent = false;
        note(fault, target_.kill_agent(host));
    }
    if (state.address) {
        note(fault, target_.set_address(host, *std::exchange(state.address, std::nullopt)));
    }
    if (agent && !state.agent) {
        state.agent = true;
        note(fault, target_.start_agent(host));
    }
    const bool ike = state.ike_kills == 0;
    if (!state.powered || ike == state.ike) return;
    state.ike = ike;
    note(fault, ike ? target_.start_ike(host) : target_.kill_ike(host));
}

FaultPlayer::FaultPlayer(Runtime& runtime, const Scenario& scenario, FaultTarget& target,
                         std::vector<FaultListener*> listeners)
    : impl_(std::make_unique<Impl>(runtime, scenario, target, std::move(listeners))) {}
FaultPlayer::~FaultPlayer() = default;

void FaultPlayer::start(Instant origin) { impl_->start(origin); }
bool FaultPlayer::all_healed() const { return impl_->all_healed(); }
bool FaultPlayer::agent_wanted(std::size_t host) const { return impl_->agent_wanted(host); }

std::vector<FaultSpec::Kind> faults_outside(const Scenario& scenario,
                                            std::span<const FaultSpec::Kind> supported) {
    std::set<Kind> outside;
    for (const FaultSpec& fault : scenario.faults) {
        if (std::ranges::find(supported, fault.kind) == supported.end()) outside.insert(fault.kind);
    }
    return {outside.begin(), outside.end()};
}

}  // namespace overlab
