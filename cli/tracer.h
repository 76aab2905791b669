// Tracer: what `trace` asks of a world: boot, converge, and follow one packet through the hosts'
// tables.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "models/base/error.h"
#include "models/forwarding/packet_walk.h"
#include "models/scenario/scenario.h"

namespace overlab::cli {

struct TracePacket {
    std::string from, to;           ///< pods
    std::uint32_t size_bytes = 84;  ///< IPv4 total length; 84 is what ping sends
    bool dont_fragment = true;
};

struct Trace {
    Walk there;
    std::optional<Walk> back;  ///< if the packet arrived
};

/// Errors: not_found (no such pod), and the world's own.
using Tracer =
    std::function<Result<Trace>(const Scenario&, std::uint64_t seed, const TracePacket&)>;

}  // namespace overlab::cli
