// KernelFaults: what the kernel world does when a fault strikes. docs/faults.md has what it cannot.
//
//   host off     its line cut, its agent killed, our rows, its SAs and its pods' addresses gone
//   host paused  its line cut, its agent (and charon) stopped; what runs in its pods goes on
//   partition    packets of the other side dropped as they come in, and as they go out (HostWall)
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "models/fault/fault_target.h"
#include "models/fault/row_choice.h"
#include "models/scenario/scenario.h"
#include "real/lab/host_wall.h"
#include "real/netlink/netlink_stack.h"
#include "real/store/etcd_kv_store.h"
#include "real/world/kernel_world.h"

namespace overlab::real {

class KernelFaults final : public FaultTarget {
   public:
    /// References must outlive it.
    KernelFaults(KernelWorld& world, const Scenario& scenario);
    ~KernelFaults() override;

    [[nodiscard]] static std::span<const FaultSpec::Kind> supported();

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
    [[nodiscard]] KernelWorld::Agent* agent_of(std::size_t host);
    [[nodiscard]] LinkId link_of(std::size_t host) const;
    /// A line may be cut for several reasons at once.
    Result<void> cut(LinkId link, bool cut);
    Result<void> raise_walls();
    [[nodiscard]] WallPlan wall_of(std::size_t host) const;
    Result<void> wipe(std::size_t host);
    [[nodiscard]] Result<std::unique_ptr<NetlinkStack>> stack_of(std::size_t host);
    [[nodiscard]] std::optional<RowPeer> peer_of(const FaultSpec& fault);
    Result<void> edit(std::size_t host, std::span<const RowChange> changes, NetlinkStack& stack);
    [[nodiscard]] Result<EtcdKvStore*> store_client();

    KernelWorld& world_;
    const Scenario& scenario_;
    std::map<LinkId, unsigned> cuts_;
    std::vector<std::size_t> side_;  ///< by underlay node: which side of the partitions it is on
    std::set<std::size_t> no_store_;
    std::map<std::size_t, WallPlan> walls_;
    std::unique_ptr<EtcdKvStore> store_;
};

}  // namespace overlab::real
