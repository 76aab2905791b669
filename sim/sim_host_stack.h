// The HostStack port of a simulated host: the node's rows go straight into the tables that the
// datapath asks.
#pragma once

#include "models/ports/host_stack.h"
#include "sim/sim_host.h"

namespace overlab::sim {

class SimHostStack final : public HostStack {
   public:
    explicit SimHostStack(SimHost& host) : host_(&host) {}

    [[nodiscard]] HostFacts facts() const override;
    [[nodiscard]] Result<ForwardingState> dump() override;
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override;
    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override;

   private:
    SimHost* host_;
};

}  // namespace overlab::sim
