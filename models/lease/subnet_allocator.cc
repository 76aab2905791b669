// The free subnets are found in one walk over the taken blocks, sorted by first address: O(n log n)
// for n leases, whatever the size of the network.
#include "models/lease/subnet_allocator.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "models/base/check.h"
#include "models/lease/uint128.h"

namespace overlab {
namespace {

// Addresses of one family, both ends included.
struct Span {
    Uint128 first = 0, last = 0;
};

// Where subnets of one family may lie.
struct Candidates {
    Uint128 min = 0, max = 0;  // first addresses of the first and last subnet
    Uint128 size = 1;          // addresses in a subnet
};

bool has_ipv4(const LeaseSubnet& subnet) { return subnet.v4.length != 0; }

Span span_of(Ipv4Prefix prefix) {
    const Uint128 first = to_uint128(prefix.network);
    return {first, first + block_size(32, prefix.length) - 1};
}

Span span_of(const Ipv6Prefix& prefix) {
    const Uint128 first = to_uint128(prefix.network);
    CHECK(prefix.length > 0);
    return {first, first + (block_size(128, prefix.length) - 1)};
}

std::vector<Span> sorted(std::vector<Span> spans) {
    std::ranges::sort(spans, {}, &Span::first);
    return spans;
}

// First addresses of the lowest `window` subnets that touch no span. `spans` is sorted by first
// address.
std::vector<Uint128> free_subnets(const Candidates& candidates, const std::vector<Span>& spans,
                                  std::size_t window) {
    std::vector<Uint128> free;
    auto next = spans.begin();
    for (Uint128 at = candidates.min; at <= candidates.max && free.size() < window;) {
        while (next != spans.end() && next->last < at) ++next;
        const Uint128 end = at + (candidates.size - 1);
        if (next == spans.end() || next->first > end) {
            free.push_back(at);
            if (at > candidates.max - candidates.size)
                break;  // the last one: adding would overflow
            at += candidates.size;
            continue;
        }
        // Go on behind the span, at the next multiple of the subnet size.
        const Uint128 past = next->last - next->last % candidates.size;
        if (past > candidates.max - candidates.size) break;
        at = past + candidates.size;
    }
    return free;
}

std::optional<Uint128> draw(const Candidates& candidates, const std::vector<Span>& spans,
                            std::size_t window, Rng& rng) {
    const std::vector<Uint128> free = free_subnets(candidates, spans, window);
    if (free.empty()) return std::nullopt;
    return free[rng.below(free.size())];
}

Result<LeaseSubnet> draw_subnet(const NetworkConfig& network, const std::vector<LeaseSubnet>& taken,
                                std::size_t window, Rng& rng) {
    std::vector<Span> v4_spans, v6_spans;
    for (const LeaseSubnet& subnet : taken) {
        if (has_ipv4(subnet)) v4_spans.push_back(span_of(subnet.v4));
        if (subnet.v6) v6_spans.push_back(span_of(*subnet.v6));
    }
    LeaseSubnet out;
    if (network.enable_ipv4) {
        const Candidates candidates{to_uint128(network.subnet_min), to_uint128(network.subnet_max),
                                    block_size(32, network.subnet_len)};
        const auto first = draw(candidates, sorted(std::move(v4_spans)), window, rng);
        if (!first) {
            return fail(ErrorKind::out_of_space,
                        fmt::format("network {}: all {} subnets are taken",
                                    network.network.to_string(), network.subnet_count()));
        }
        out.v4 = Ipv4Prefix::of(ipv4_from(*first), network.subnet_len);
    }
    if (network.enable_ipv6) {
        const Candidates candidates{to_uint128(network.ipv6_subnet_min),
                                    to_uint128(network.ipv6_subnet_max),
                                    block_size(128, network.ipv6_subnet_len)};
        const auto first = draw(candidates, sorted(std::move(v6_spans)), window, rng);
        if (!first) {
            return fail(ErrorKind::out_of_space,
                        fmt::format("network {}: all IPv6 subnets are taken",
                                    network.ipv6_network.to_string()));
        }
        out.v6 = Ipv6Prefix::of(ipv6_from(*first), network.ipv6_subnet_len);
    }
    return out;
}

bool is_ours(const NetworkConfig& network, const SubnetRequest& request,
             const LeaseAttributes& lease) {
    if (network.enable_ipv4) {
        return !request.public_ip.is_unspecified() && lease.public_ip == request.public_ip;
    }
    // flannel compares the IPv4 addresses here too, which are all 0.0.0.0: two hosts then share a
    // lease.
    return request.public_ipv6 && lease.public_ipv6 == request.public_ipv6;
}

// The same families and lengths as a lease of `network`, so that overlapping means having the same
// key.
bool same_shape(const NetworkConfig& network, const LeaseSubnet& subnet) {
    if (network.enable_ipv4) return !subnet.v6 && subnet.v4.length == network.subnet_len;
    return !has_ipv4(subnet) && subnet.v6 && subnet.v6->length == network.ipv6_subnet_len;
}

}  // namespace

bool fits(const NetworkConfig& network, const LeaseSubnet& subnet) {
    if (network.enable_ipv4 ? !network.owns(subnet.v4) : has_ipv4(subnet)) return false;
    return network.enable_ipv6 ? subnet.v6 && network.owns(*subnet.v6) : !subnet.v6;
}

bool overlaps(const LeaseSubnet& a, const LeaseSubnet& b) {
    if (has_ipv4(a) && has_ipv4(b) && a.v4.overlaps(b.v4)) return true;
    return a.v6 && b.v6 && a.v6->overlaps(*b.v6);
}

Result<SubnetChoice> choose_subnet(const NetworkConfig& network, const TakenSubnets& taken,
                                   const SubnetRequest& request, Rng& rng) {
    CHECK(request.window > 0);
    SubnetChoice choice;
    choice.exclusive_key = !(network.enable_ipv4 && network.enable_ipv6);
    std::vector<LeaseSubnet> blocked = taken.others;
    const auto rank = [&](const LeasePtr& lease) {
        return std::tuple(lease->kv_lease.value != 0, request.previous != lease->subnet,
                          lease->subnet);
    };
    for (const LeasePtr& lease : taken.leases) {
        if (is_ours(network, request, lease->attributes)) {
            if (fits(network, lease->subnet)) {
                if (!choice.existing || rank(lease) < rank(choice.existing))
                    choice.existing = lease;
            } else if (lease->kv_lease.value != 0) {
                choice.obsolete.push_back(lease);
                continue;  // it goes away with our write, so it is not in our way
            }
        }
        blocked.push_back(lease->subnet);
    }
    for (const LeaseSubnet& subnet : blocked) {
        choice.exclusive_key = choice.exclusive_key && same_shape(network, subnet);
    }
    if (choice.existing) {
        choice.source = SubnetChoice::Source::reuse;
        choice.subnet = choice.existing->subnet;
        return choice;
    }
    if (request.previous && fits(network, *request.previous) &&
        std::ranges::none_of(blocked,
                             [&](const auto& b) { return overlaps(b, *request.previous); })) {
        choice.source = SubnetChoice::Source::previous;
        choice.subnet = *request.previous;
        return choice;
    }
    choice.source = SubnetChoice::Source::fresh;
    OVERLAB_TRY(choice.subnet, draw_subnet(network, blocked, request.window, rng));
    return choice;
}

}  // namespace overlab
