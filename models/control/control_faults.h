// ControlFaults: the FaultTarget of the control world. What is about packets alone (a link's rate,
// delay, loss, ...) has no effect here; see ignored_changes().
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/control/control_cluster.h"
#include "models/fault/fault_target.h"
#include "models/fault/row_choice.h"

namespace overlab {

class ControlFaults final : public FaultTarget {
   public:
    /// References must outlive it.
    ControlFaults(const Scenario& scenario, std::uint64_t seed, ControlCluster& cluster)
        : scenario_(&scenario), seed_(seed), cluster_(&cluster) {}

    Result<void> set_link_up(std::size_t link, bool up) override;
    Result<void> change_link(std::size_t link, const LinkChange& change) override;
    Result<void> set_groups(const std::vector<std::vector<std::size_t>>& groups) override;

    Result<void> power_off(std::size_t host) override;
    Result<void> power_on(std::size_t host) override;
    Result<void> pause(std::size_t host) override;
    Result<void> resume(std::size_t host) override;
    Result<void> kill_agent(std::size_t host) override;
    Result<void> start_agent(std::size_t host) override;
    Result<void> jump_clock(std::size_t host, Duration forward) override;
    Result<void> set_clock_drift(std::size_t host, std::int32_t ppm) override;
    Result<void> kill_ike(std::size_t host) override;
    Result<void> start_ike(std::size_t host) override;
    Result<void> set_address(std::size_t host, Ipv4Address address) override;

    Result<void> set_store_reachable(std::size_t host, bool reachable) override;
    Result<void> set_store_leader(bool present) override;
    Result<void> compact_store() override;
    Result<void> snapshot_store(std::size_t number) override;
    Result<void> restore_store(std::optional<std::size_t> number) override;
    Result<void> write_store(const std::string& key, const std::string& value) override;
    Result<void> expire_lease(std::size_t host) override;

    Result<void> delete_rows(std::size_t host, const FaultSpec& which) override;
    Result<void> change_rows(std::size_t host, const FaultSpec& which) override;
    Result<void> add_foreign_route(std::size_t host, Ipv4Prefix destination,
                                   std::size_t via) override;
    Result<void> remove_foreign_route(std::size_t host, Ipv4Prefix destination,
                                      std::size_t via) override;
    Result<void> change_vtep_mac(std::size_t host) override;

   private:
    [[nodiscard]] Result<std::size_t> node_host(std::size_t node) const;
    [[nodiscard]] std::optional<RowPeer> peer_of(const FaultSpec& which) const;
    Result<void> edit(std::size_t host, const std::vector<RowChange>& changes);

    const Scenario* scenario_;
    std::uint64_t seed_;
    ControlCluster* cluster_;
    std::map<std::size_t, MvccStore> snapshots_;
    std::uint64_t macs_drawn_ = 0;
};

/// What a scenario's faults ask for that cannot happen where no packet moves; a sentence each.
[[nodiscard]] std::vector<std::string> ignored_changes(const Scenario& scenario);

}  // namespace overlab
