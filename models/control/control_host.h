// ControlHost: one machine of the control world: its forwarding tables, its pods, and what outlives
// an agent on a real host. The agent itself is control_agent.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/defect/defect.h"
#include "models/forwarding/tables.h"
#include "models/lease/lease.h"
#include "models/net/wireguard_key.h"
#include "models/ports/host_stack.h"
#include "models/underlay/graph.h"

namespace overlab {

struct ControlHostSetup {
    std::string name;
    NodeIndex node = 0;
    Interface external;
    Ipv4Prefix segment;
    std::optional<Ipv4Address> gateway;
    std::uint32_t mtu = 1500;
    std::size_t pods = 0;
    std::uint64_t seed = 1;
    bool wireguard = false;  ///< the facts name a key
};

class ControlHost final : public HostStack {
   public:
    explicit ControlHost(ControlHostSetup setup);

    [[nodiscard]] HostFacts facts() const override;
    [[nodiscard]] Result<ForwardingState> dump() override { return tables_.dump(); }
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override;
    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override;

    void set_up_pods(Ipv4Prefix subnet, std::uint32_t mtu);
    /// Power off: nothing is left but what the machine has by itself.
    void forget_everything();
    void set_address(Ipv4Address address);

    [[nodiscard]] const std::string& name() const { return setup_.name; }
    [[nodiscard]] NodeIndex node() const { return setup_.node; }
    [[nodiscard]] Ipv4Address address() const { return address_; }
    [[nodiscard]] ForwardingTables& tables() { return tables_; }
    [[nodiscard]] const ForwardingTables& tables() const { return tables_; }
    [[nodiscard]] LinkIndex external_link() const { return external_link_; }
    [[nodiscard]] const std::vector<Ipv4Address>& pods() const { return pods_; }
    [[nodiscard]] const WireguardKey& wireguard_key() const { return wireguard_key_; }
    /// On its disk: outlives agents and crashes.
    [[nodiscard]] DefectMemory& defect_memory() { return defect_memory_; }

   private:
    void set_up_machine();
    void draw_wireguard_key();

    ControlHostSetup setup_;
    Ipv4Address address_;
    ForwardingTables tables_;
    LinkIndex external_link_ = no_link;
    LinkIndex bridge_ = no_link;
    Ipv4Prefix pod_subnet_;
    std::vector<Ipv4Address> pods_;
    WireguardKey wireguard_key_;
    DefectMemory defect_memory_;
};

}  // namespace overlab
