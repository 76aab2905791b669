// SimCrossSide: the simulated half of a cross-check: the simulated world's hosts, switches and
// router, built as for a scenario, of which the hosts' stacks and tables are used. Packets are on
// paper (PacketWalk); tests/property/sim_walk_test.cc holds paper and simulated packets together.
//
//   h01 --.                        .-- h03
//         +-- sw1 ---- r ---- sw2 -+
//   h02 --'                        '-- h04
//
// The router's address differs from the real one's (it is the first free one here, the last usable
// one there); no row and no packet that is compared shows it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "models/crosscheck/sim_side.h"
#include "sim/sim_host_stack.h"
#include "sim/underlay_network.h"

namespace overlab::sim {

class SimCrossSide final : public SimSide {
   public:
    /// Takes the process' one Engine.
    SimCrossSide();
    ~SimCrossSide() override;
    SimCrossSide(const SimCrossSide&) = delete;
    SimCrossSide& operator=(const SimCrossSide&) = delete;

    [[nodiscard]] Result<void> reset(const CrossLayout& layout) override;
    [[nodiscard]] HostStack& stack(std::size_t host) override;
    [[nodiscard]] ForwardingTables& tables(std::size_t host) override;
    void set_pod(std::size_t host, Ipv4Prefix subnet, std::uint32_t mtu) override;
    [[nodiscard]] PacketWalk walk() override;

   private:
    /// A pod that nothing is sent to.
    class Pod;
    struct World;

    CostProfile costs_;
    std::unique_ptr<World> world_;
};

}  // namespace overlab::sim
