// Pinger: who can reach whom, asked with real ICMP echo from one namespace to another.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/net/address.h"
#include "real/base/netns.h"

namespace overlab::real {

struct PingEnd {
    std::string name;
    const Netns* netns = nullptr;
    Ipv4Address address;  ///< unspecified: has none, reaches nobody
};

/// Every ordered pair of `ends` (by index) that did not answer one of `tries` echo requests, each
/// waited for up to `patience`. All pairs at once, so it takes at most tries * patience. Errors:
/// unavailable.
[[nodiscard]] Result<std::vector<std::pair<std::size_t, std::size_t>>> unanswered_pings(
    const std::vector<PingEnd>& ends, unsigned tries = 3, Duration patience = milliseconds(500));

}  // namespace overlab::real
