// Which subnet a host asks for. Pure: the same arguments and draws give the same choice.
//
// Order, as flannel's: (1) a lease that carries our public address and fits the configuration, (2)
// the subnet we had before, if nobody holds any of it, (3) a uniform draw among the first `window`
// free subnets, counted from SubnetMin; IPv6 is drawn likewise and independently. Unlike flannel's,
// a lease of another length blocks every subnet it overlaps, in (2) as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/error.h"
#include "models/base/rng.h"
#include "models/lease/lease.h"
#include "models/lease/network_config.h"

namespace overlab {

/// What the store holds, in any order.
struct TakenSubnets {
    std::vector<LeasePtr> leases;
    std::vector<LeaseSubnet> others;  ///< taken too, by whom is not known (an unreadable value)
};

/// Candidates of a first attempt; flannel's number.
inline constexpr std::size_t first_subnet_window = 100;

struct SubnetRequest {
    Ipv4Address public_ip;  ///< who we are; with IPv4 switched off, public_ipv6 is
    std::optional<Ipv6Address> public_ipv6;
    std::optional<LeaseSubnet> previous;
    /// How many free subnets to draw among; > 0. Larger after lost races: when thousands of hosts
    /// start at once, the first hundred subnets are taken before most have asked.
    std::size_t window = first_subnet_window;
};

struct SubnetChoice {
    enum class Source : std::uint8_t { reuse, previous, fresh };
    Source source = Source::fresh;
    LeaseSubnet subnet;
    LeasePtr existing;  ///< reuse: the lease as it is now
    std::vector<LeasePtr>
        obsolete;  ///< ours, but unfit for the configuration: to be deleted with the write
    bool exclusive_key = true;  ///< false: a lease that overlaps could have another key; see below
};

/// `exclusive_key`: two hosts that draw overlapping subnets collide on one key (and the store
/// refuses the second) only if all leases are single-family and of one length. Otherwise look again
/// after writing.
///
/// A reservation (lease without etcd lease) that carries our address is preferred, then the
/// previous subnet, then the lowest. Reservations are never obsolete. Errors: out_of_space.
[[nodiscard]] Result<SubnetChoice> choose_subnet(const NetworkConfig& network,
                                                 const TakenSubnets& taken,
                                                 const SubnetRequest& request, Rng& rng);

/// True if a host under `network` may own `subnet`: the right families, lengths and range.
[[nodiscard]] bool fits(const NetworkConfig& network, const LeaseSubnet& subnet);

/// True if the two share an address of either family.
[[nodiscard]] bool overlaps(const LeaseSubnet& a, const LeaseSubnet& b);

}  // namespace overlab
