// What must hold of packets on paper: forwarding_loop, delivered. Walks over the tables as they
// are, between pods drawn from the seed.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "models/base/rng.h"
#include "models/invariant/invariant_monitor.h"
#include "models/invariant/violation_log.h"

namespace overlab {

struct WalkedPair {
    std::size_t from = 0, to = 0;  ///< hosts
    Ipv4Address source, destination;

    friend auto operator<=>(const WalkedPair&, const WalkedPair&) = default;
};

/// Pairs of hosts in this set; `most` of them if there are more, else all.
[[nodiscard]] std::vector<WalkedPair> draw_pairs(const MonitoredCluster& cluster,
                                                 const std::vector<std::size_t>& hosts,
                                                 std::size_t most, Rng& rng);

/// After each fault a few pairs are walked; one that goes round still does after a window without
/// faults, if it is no passing thing.
class ForwardingLoops {
   public:
    ForwardingLoops(Runtime& runtime, const Scenario& scenario, const MonitoredCluster& cluster,
                    Duration window, ViolationLog& log);
    void fault_event();
    /// A walk of a healed cluster.
    void judge(const WalkedPair& pair, const Walk& walk);

   private:
    void look();
    void look_again();
    [[nodiscard]] bool everybody_knows() const;

    Runtime* runtime_;
    const MonitoredCluster* cluster_;
    ViolationLog* log_;
    Duration window_;
    bool operators_meddle_ = false;  ///< with routes: they may build loops
    Rng rng_;
    Timer timer_;
    std::vector<WalkedPair> suspects_;
};

}  // namespace overlab
