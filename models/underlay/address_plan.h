// Address plan: a prefix for every segment and an address for every interface, the same for the
// same topology whatever the file's order.
//
// A segment whose hosts have addresses in the file takes the block around the lowest of them. The
// others take blocks from the pool in segment order. A block is at least a /24 (the pool itself
// where that is smaller) and the next power of two above its members; when the pool cannot hold all
// segments at /24, blocks shrink together, to /30 at least. Inside a block: routers first, then
// hosts, both in name order, from the first usable address up, skipping addresses given in the
// file.
#pragma once

#include "models/base/error.h"
#include "models/underlay/segments.h"

namespace overlab {

/// Fills in prefixes and addresses. Errors (invalid_argument): the pool is too small, an address
/// given twice, outside its segment, or one that no host may have (network, broadcast).
[[nodiscard]] Result<SegmentPlan> assign_addresses(const Underlay& underlay, SegmentPlan plan);

}  // namespace overlab
