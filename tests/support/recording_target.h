// RecordingTarget: a FaultTarget that writes down what it is told, checks that each thing is
// switched off and on in turns, and can refuse.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/fault/fault_target.h"
#include "models/ports/runtime.h"

namespace overlab::test {

class RecordingTarget final : public FaultTarget {
   public:
    explicit RecordingTarget(const Runtime& runtime) : runtime_(&runtime) {}

    std::vector<std::string> told;    ///< `2 power_off 0`; instants in whole seconds
    std::vector<std::string> wrongs;  ///< what was told out of turn
    std::set<std::string> refused;    ///< `power_off 0`: answered by an error
    /// Things that are off now: `link 0`, `agent 1`, ...
    std::set<std::string> off;
    std::map<std::size_t, LinkChange> changes;
    std::map<std::size_t, std::int32_t> drifts;
    std::vector<std::vector<std::size_t>> groups;

    Result<void> set_link_up(std::size_t link, bool up) override {
        turn("link", link, up);
        return tell(fmt::format("link_{} {}", up ? "up" : "down", link));
    }
    Result<void> change_link(std::size_t link, const LinkChange& change) override {
        if (changes[link] == change) wrongs.push_back("the same change again");
        changes[link] = change;
        return tell(fmt::format("change {} loss {} mtu {}", link, change.loss_ppb.value_or(0),
                                change.mtu.value_or(0)));
    }
    Result<void> set_groups(const std::vector<std::vector<std::size_t>>& sides) override {
        if (sides == groups) wrongs.push_back("the same groups again");
        groups = sides;
        return tell(fmt::format("groups {}", sides));
    }
    Result<void> power_off(std::size_t host) override {
        turn("host", host, false);
        off.insert(fmt::format("agent {}", host));
        off.erase(fmt::format("ike {}", host));
        return tell(fmt::format("power_off {}", host));
    }
    Result<void> power_on(std::size_t host) override {
        turn("host", host, true);
        return tell(fmt::format("power_on {}", host));
    }
    Result<void> pause(std::size_t host) override {
        runs("pause", host);
        turn("going", host, false);
        return tell(fmt::format("pause {}", host));
    }
    Result<void> resume(std::size_t host) override {
        turn("going", host, true);
        return tell(fmt::format("resume {}", host));
    }
    Result<void> kill_agent(std::size_t host) override {
        runs("kill_agent", host);
        turn("agent", host, false);
        return tell(fmt::format("kill_agent {}", host));
    }
    Result<void> start_agent(std::size_t host) override {
        runs("start_agent", host);
        turn("agent", host, true);
        return tell(fmt::format("start_agent {}", host));
    }
    Result<void> jump_clock(std::size_t host, Duration forward) override {
        return tell(fmt::format("jump {} {}", host, forward.ns));
    }
    Result<void> set_clock_drift(std::size_t host, std::int32_t ppm) override {
        if (drifts[host] == ppm) wrongs.push_back("the same drift again");
        drifts[host] = ppm;
        return tell(fmt::format("drift {} {}", host, ppm));
    }
    Result<void> kill_ike(std::size_t host) override {
        runs("kill_ike", host);
        turn("ike", host, false);
        return tell(fmt::format("kill_ike {}", host));
    }
    Result<void> start_ike(std::size_t host) override {
        runs("start_ike", host);
        turn("ike", host, true);
        return tell(fmt::format("start_ike {}", host));
    }
    Result<void> set_address(std::size_t host, Ipv4Address address) override {
        if (!off.contains(fmt::format("agent {}", host))) wrongs.push_back("address under agent");
        return tell(fmt::format("address {} {}", host, address.to_string()));
    }
    Result<void> set_store_reachable(std::size_t host, bool reachable) override {
        turn("store", host, reachable);
        return tell(fmt::format("store_{} {}", reachable ? "near" : "far", host));
    }
    Result<void> set_store_leader(bool present) override {
        turn("leader", 0, present);
        return tell(fmt::format("leader {}", present));
    }
    Result<void> compact_store() override { return tell("compact"); }
    Result<void> snapshot_store(std::size_t number) override {
        return tell(fmt::format("snapshot {}", number));
    }
    Result<void> restore_store(std::optional<std::size_t> number) override {
        return tell(number ? fmt::format("restore {}", *number) : "restore nothing");
    }
    Result<void> write_store(const std::string& key, const std::string& value) override {
        return tell(fmt::format("write {} {}", key, value));
    }
    Result<void> expire_lease(std::size_t host) override {
        return tell(fmt::format("expire {}", host));
    }
    Result<void> delete_rows(std::size_t host, const FaultSpec&) override {
        return tell(fmt::format("delete_rows {}", host));
    }
    Result<void> change_rows(std::size_t host, const FaultSpec&) override {
        return tell(fmt::format("change_rows {}", host));
    }
    Result<void> add_foreign_route(std::size_t host, Ipv4Prefix to, std::size_t via) override {
        turn(fmt::format("no-route {} {} on", to.to_string(), via), host, false);
        return tell(fmt::format("add_route {} {} via {}", host, to.to_string(), via));
    }
    Result<void> remove_foreign_route(std::size_t host, Ipv4Prefix to, std::size_t via) override {
        turn(fmt::format("no-route {} {} on", to.to_string(), via), host, true);
        return tell(fmt::format("remove_route {} {} via {}", host, to.to_string(), via));
    }
    Result<void> change_vtep_mac(std::size_t host) override {
        return tell(fmt::format("vtep_mac {}", host));
    }

   private:
    /// `on` twice, or off twice, is out of turn.
    void turn(const std::string& what, std::size_t which, bool on) {
        const std::string key = fmt::format("{} {}", what, which);
        const bool in_turn = on ? off.erase(key) > 0 : off.insert(key).second;
        if (!in_turn) wrongs.push_back(fmt::format("{} {} already", key, on ? "on" : "off"));
        // A crash takes the operator's routes along.
        if (what != "host" || on) return;
        std::erase_if(off, [&](const std::string& one) {
            return one.starts_with("no-route") && one.ends_with(fmt::format(" on {}", which));
        });
    }
    void runs(const char* what, std::size_t host) {
        if (off.contains(fmt::format("host {}", host)) ||
            off.contains(fmt::format("going {}", host))) {
            wrongs.push_back(fmt::format("{} {} where nothing runs", what, host));
        }
    }
    Result<void> tell(const std::string& what) {
        told.push_back(fmt::format("{} {}", runtime_->now().ns / 1'000'000'000, what));
        if (refused.contains(what)) return fail(ErrorKind::unavailable, what + ": refused");
        return {};
    }

    const Runtime* runtime_;
};

}  // namespace overlab::test
