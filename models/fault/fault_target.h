// FaultTarget: the port through which faults reach a world. Each call does one thing at once; what
// overlaps (two faults that hold one link down, an agent killed on a host that is off) is sorted
// out by FaultPlayer, so a target sees each thing switched off and on in turns.
// Errors: unsupported (this world cannot do it; the world refuses such a scenario before it runs,
// see faults_outside()), unavailable (the system refused). They go to the run's timeline.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/fault/fault.h"

namespace overlab {

class FaultTarget {
   public:
    virtual ~FaultTarget() = default;

    // Links: indexes into Underlay::links.
    virtual Result<void> set_link_up(std::size_t link, bool up) = 0;
    /// All that is changed now; an empty change is the link as the scenario has it.
    virtual Result<void> change_link(std::size_t link, const LinkChange& change) = 0;
    /// Sides of all partitions now: no packet passes between hosts in different groups. Hosts
    /// (underlay nodes) that no group names are together in one more. Empty: healed.
    virtual Result<void> set_groups(const std::vector<std::vector<std::size_t>>& groups) = 0;

    // Hosts: indexes into Underlay::nodes. A powered host has an agent only between start_agent and
    // kill_agent; power_off kills it, power_on does not start it. All hosts are on and their agents
    // are there when the run begins (they boot at their own seeded instants). On a host that is off
    // or paused no program is killed or started; one that crashes while it is paused is resumed
    // right after power_off. kill_ike holds until start_ike or power_on, whatever the agent does.
    virtual Result<void> power_off(std::size_t host) = 0;
    virtual Result<void> power_on(std::size_t host) = 0;
    virtual Result<void> pause(std::size_t host) = 0;
    virtual Result<void> resume(std::size_t host) = 0;
    virtual Result<void> kill_agent(std::size_t host) = 0;
    virtual Result<void> start_agent(std::size_t host) = 0;
    virtual Result<void> jump_clock(std::size_t host, Duration forward) = 0;
    /// Sum over all skews now; 0: right again.
    virtual Result<void> set_clock_drift(std::size_t host, std::int32_t ppm) = 0;
    virtual Result<void> kill_ike(std::size_t host) = 0;
    virtual Result<void> start_ike(std::size_t host) = 0;
    /// The external address; the agent is not there meanwhile.
    virtual Result<void> set_address(std::size_t host, Ipv4Address address) = 0;

    // Store.
    virtual Result<void> set_store_reachable(std::size_t host, bool reachable) = 0;
    virtual Result<void> set_store_leader(bool present) = 0;
    virtual Result<void> compact_store() = 0;
    /// Remembers what the store holds, under a number.
    virtual Result<void> snapshot_store(std::size_t number) = 0;
    /// Back to that snapshot; without one, to what an operator writes first: the configuration.
    virtual Result<void> restore_store(std::optional<std::size_t> number) = 0;
    /// `key` as in the store, after the prefix and its '/'.
    virtual Result<void> write_store(const std::string& key, const std::string& value) = 0;
    virtual Result<void> expire_lease(std::size_t host) = 0;

    // Operators.
    virtual Result<void> delete_rows(std::size_t host, const FaultSpec& which) = 0;
    virtual Result<void> change_rows(std::size_t host, const FaultSpec& which) = 0;
    virtual Result<void> add_foreign_route(std::size_t host, Ipv4Prefix destination,
                                           std::size_t via) = 0;
    virtual Result<void> remove_foreign_route(std::size_t host, Ipv4Prefix destination,
                                              std::size_t via) = 0;
    virtual Result<void> change_vtep_mac(std::size_t host) = 0;
};

}  // namespace overlab
