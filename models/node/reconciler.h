// Reconciler: makes a host hold the planned rows. It keeps no copy of what it did: a full reconcile
// compares the plan with the host's own dump. Changes that fail are remembered by key, with the
// latest wish, and tried again with growing pauses until they succeed or the plan no longer wants
// them.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "models/node/backoff.h"
#include "models/node/overlay_node.h"
#include "models/ports/host_stack.h"
#include "models/ports/runtime.h"

namespace overlab {

class Reconciler {
   public:
    /// `plan` answers what the host must hold now. References must outlive the reconciler.
    Reconciler(Runtime& runtime, HostStack& stack, NodeObserver& observer,
               const NodeOptions& options, std::function<ForwardingState()> plan);

    /// Applies changes that follow from a change of the plan, in their order.
    void apply(std::span<const RowChange> changes);
    /// Installs those of `rows` that the host does not hold just so, and withdraws nothing.
    void ensure(std::vector<Row> rows);
    /// Makes the host hold exactly the plan. If the host cannot be read, tries again later.
    void reconcile();
    void stop();

    /// True when nothing waits to be tried again.
    [[nodiscard]] bool settled() const { return failed_.empty() && !reconcile_failed_; }

   private:
    struct KeyOrder {
        bool operator()(const Row& a, const Row& b) const { return compare_keys(a, b) < 0; }
    };

    [[nodiscard]] bool reconcile_once();
    void note_outcomes(std::span<const RowChange> changes, std::span<const Result<void>> outcomes);
    void forget_failures_but(std::span<const RowChange> changes);
    void retry();
    void arm_retry();

    HostStack* stack_;
    NodeObserver* observer_;
    std::function<ForwardingState()> plan_;
    Backoff backoff_;
    Timer retry_timer_;
    std::map<Row, RowChange::Action, KeyOrder> failed_;
    bool reconcile_failed_ = false;
};

}  // namespace overlab
