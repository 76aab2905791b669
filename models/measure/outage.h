// From when on a time without deliveries is an outage.
#pragma once

#include "models/base/time.h"

namespace overlab {

struct TrafficSpec;

/// Longer than this without a delivery is an outage of the flow.
///
/// Paced flows (udp, request_response with an interval): 50 ms, or three of their sending intervals
/// if that is longer; on_off flows at least three of their mean pauses, as they are silent by
/// themselves, too. TCP and back-to-back requests wait for their own
/// timers after a single loss, so theirs is 200 ms, the shortest retransmission timeout of Linux
/// (TCP_RTO_MIN); what one lost segment costs is no outage.
[[nodiscard]] Duration outage_threshold(const TrafficSpec& flow);

}  // namespace overlab
