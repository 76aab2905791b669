// What goes wrong between an agent and its host.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "models/defect/defect.h"
#include "models/defect/layers.h"

namespace overlab {

/// `stale-rows-kept`. flannel adds rows for the peers that it sees and removes those of peers that
/// it sees leave. What it never does is compare: the rows of a peer that left while the agent was
/// down stay (its issues 996, 1546 and 2554; measured: 10 routes for 4 peers).
///
/// The layer hides what the host held when this agent first looked, but for devices and their
/// addresses, which flannel looks for and uses again. A row that the agent installs is its own from
/// then on.
class StaleRowsKept final : public StackLayer {
   public:
    using StackLayer::StackLayer;
    [[nodiscard]] Result<ForwardingState> dump() override;
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override;

   private:
    struct ByKey {
        bool operator()(const Row& a, const Row& b) const { return compare_keys(a, b) < 0; }
    };
    std::optional<std::set<Row, ByKey>> earlier_;
};

/// `old-fdb-kept`. When a peer's VTEP gets another MAC, flannel replaces the neighbour and adds an
/// FDB row for the new MAC, and the one for the old stays (measured; its issues 533, 654 and 1788).
/// Here any FDB row that should go stays, and the agent takes it to be gone.
class OldFdbKept final : public StackLayer {
   public:
    using StackLayer::StackLayer;
    [[nodiscard]] Result<ForwardingState> dump() override;
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override;

   private:
    ForwardingState kept_;
};

/// `lost-fdb-row`. Nobody's history: a planted mistake. The first FDB row that is installed is not,
/// and the stack says that it is, then and whenever it is asked. A check that compares hosts with
/// the plan must name that row.
class LostFdbRow final : public StackLayer {
   public:
    using StackLayer::StackLayer;
    [[nodiscard]] Result<ForwardingState> dump() override;
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override;

   private:
    std::optional<FdbRow> lost_;
    bool claimed_ = false;  ///< the agent believes that it is there
};

/// `host-gw-ignores-router`. host-gw makes the peer's host the next hop, which works only on one
/// segment. flannel plans the route wherever the peer is; the kernel refuses it ("network is
/// unreachable"), a line in a log says so once, and pods cannot reach that peer.
class RouterIgnored final : public StackLayer {
   public:
    using StackLayer::StackLayer;
    [[nodiscard]] Result<bool> on_link(Ipv4Address /*address*/) override { return true; }
};

/// `first-reach-kept`. flannel decides about DirectRouting when it hears of a peer, and never again
/// (its issues 1070, 1434 and 1759).
class FirstReachKept final : public StackLayer {
   public:
    using StackLayer::StackLayer;
    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override;

   private:
    std::map<Ipv4Address, bool> known_;
};

/// `first-address-kept`. A host's address changes, and the agent goes on publishing the old one:
/// `--public-ip` was written into its unit file, or the annotation that overwrites it into the
/// node, when the host was set up (flannel's issues 712, 760, 1052, 1978 and 1982). `memory` is
/// that file: it outlives the agent.
class FirstAddressKept final : public StackLayer {
   public:
    FirstAddressKept(HostStack& below, DefectMemory& memory)
        : StackLayer(below), memory_(&memory) {}
    [[nodiscard]] HostFacts facts() const override;

   private:
    DefectMemory* memory_;
};

}  // namespace overlab
