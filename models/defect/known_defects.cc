#include <algorithm>
#include <array>

#include "models/defect/defect.h"

namespace overlab {
namespace {

constexpr std::array<Defect, 20> defects{{
    {"first-address-kept", "an agent that starts again publishes the address of its first start"},
    {"first-ike-sa-kept", "a peer that restarted is refused while its old IKE SA is there"},
    {"first-reach-kept", "whether a peer is on the same segment is asked once and never again"},
    {"host-gw-ignores-router", "every peer counts as on-link, behind a router or not"},
    {"leases-never-expire", "leases live a hundred years, so dead ones exhaust the range"},
    {"lost-fdb-row", "the stack loses the first FDB row written to it and says it has it"},
    {"lost-lease-kept", "a renewal that finds the lease gone or taken counts as a success"},
    {"malformed-empties", "one entry that is no lease makes a snapshot of the leases empty"},
    {"network-mtu-ignored", "the MTU in the network's configuration is not looked at"},
    {"no-audit", "after the first plan nobody compares the host with it"},
    {"no-conflict-retry", "the first race for a subnet that is lost ends the agent"},
    {"no-dead-peer-detection", "IKE never notices that a peer has forgotten its SAs"},
    {"old-fdb-kept", "FDB rows that are no longer wanted stay"},
    {"snapshot-misses-changes", "a snapshot never changes a peer whose subnet was known before"},
    {"stale-rows-kept", "rows that an earlier life of the agent left are never looked at"},
    {"store-loss-ignored", "after a loss of data the watch waits for the revisions of before"},
    {"ten-conflict-tries", "the tenth race for a subnet that is lost ends the agent"},
    {"unconditional-renew", "a renewal writes the lease anew whoever holds it by now"},
    {"watch-first-event-only", "of each response the watch reads the first event only"},
    {"watch-ignores-compaction", "a watch that fell behind a compaction is never mended"},
}};
static_assert(std::ranges::is_sorted(defects, {}, &Defect::name));

}  // namespace

std::span<const Defect> known_defects() { return defects; }

}  // namespace overlab
