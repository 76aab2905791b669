#include "models/underlay/address_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <set>

#include "models/base/check.h"

namespace overlab {
namespace {

constexpr unsigned usual_length = 24;
constexpr unsigned longest_length = 30;

/// Interfaces of one segment, ascending by (node, link).
using Members = std::vector<std::size_t>;

/// The longest prefix length whose block holds `members` addresses beside network and broadcast.
unsigned longest_for(std::size_t members) {
    const auto needed = static_cast<std::uint32_t>(std::bit_ceil(members + 2));
    return 32U - static_cast<unsigned>(std::countr_zero(needed));
}

std::optional<Ipv4Address> lowest_given(const Underlay& underlay, const Segment& segment) {
    std::optional<Ipv4Address> lowest;
    for (const NodeIndex host : segment.hosts) {
        const auto& given = underlay.nodes[host].address;
        if (given && (!lowest || *given < *lowest)) lowest = given;
    }
    return lowest;
}

/// Blocks from the pool at `wanted` length or shorter, none overlapping a fixed one; empty if they
/// do not fit.
std::vector<Ipv4Prefix> cut_pool(Ipv4Prefix pool, const std::vector<std::size_t>& member_counts,
                                 const std::vector<std::optional<Ipv4Prefix>>& fixed,
                                 unsigned wanted) {
    std::vector<Ipv4Prefix> blocks;
    std::uint64_t cursor = 0;
    for (std::size_t i = 0; i < member_counts.size(); ++i) {
        if (fixed[i]) {
            blocks.push_back(*fixed[i]);
            continue;
        }
        const unsigned length = std::min(wanted, longest_for(member_counts[i]));
        if (length < pool.length) return {};
        const std::uint64_t size = std::uint64_t{1} << (32U - length);
        cursor = (cursor + size - 1) / size * size;
        const auto taken = [&](Ipv4Prefix block) {
            return std::ranges::any_of(fixed,
                                       [&](const auto& f) { return f && f->overlaps(block); });
        };
        while (cursor + size <= pool.size() && taken(Ipv4Prefix::of(pool.at(cursor), length)))
            cursor += size;
        if (cursor + size > pool.size()) return {};
        blocks.push_back(Ipv4Prefix::of(pool.at(cursor), length));
        cursor += size;
    }
    return blocks;
}

Result<std::vector<Ipv4Prefix>> choose_prefixes(const Underlay& underlay, const SegmentPlan& plan,
                                                const std::vector<Members>& members) {
    const Ipv4Prefix pool = underlay.address_pool;
    const unsigned shortest = std::max<unsigned>(usual_length, pool.length);
    std::vector<std::size_t> counts;
    std::vector<std::optional<Ipv4Prefix>> fixed;
    for (SegmentId id = 0; id < plan.segments.size(); ++id) {
        counts.push_back(members[id].size());
        const auto given = lowest_given(underlay, plan.segments[id]);
        fixed.emplace_back();
        if (given)
            fixed.back() = Ipv4Prefix::of(*given, std::min(shortest, longest_for(counts.back())));
    }
    for (SegmentId id = 0; id < fixed.size(); ++id) {
        for (SegmentId earlier = 0; fixed[id] && earlier < id; ++earlier) {
            if (!fixed[earlier] || !fixed[earlier]->overlaps(*fixed[id])) continue;
            return fail(
                ErrorKind::invalid_argument,
                fmt::format(
                    "host {}: its address lies in {}, which is another segment's prefix (that "
                    "of host {}); give the two segments different networks",
                    underlay.nodes[plan.segments[id].hosts.front()].name,
                    fixed[earlier]->to_string(),
                    underlay.nodes[plan.segments[earlier].hosts.front()].name));
        }
    }
    for (unsigned length = shortest; length <= std::max(shortest, longest_length); ++length) {
        std::vector<Ipv4Prefix> blocks = cut_pool(pool, counts, fixed, length);
        if (blocks.size() == counts.size()) return blocks;
    }
    std::size_t largest = 0;
    for (const std::size_t count : counts) largest = std::max(largest, count);
    return fail(
        ErrorKind::invalid_argument,
        fmt::format(
            "address pool {}: too small for {} segment(s) of up to {} interfaces; use a shorter "
            "prefix",
            pool.to_string(), counts.size(), largest));
}

/// Errors unless the given address is one that a host of this segment may have.
Result<Ipv4Address> check_given(const UnderlayNode& host, Ipv4Prefix prefix,
                                std::set<Ipv4Address>& taken) {
    const Ipv4Address address = *host.address;
    const auto wrong = [&](std::string_view why) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("host {}: address {} {}", host.name, address.to_string(), why));
    };
    if (!prefix.contains(address))
        return wrong(fmt::format("lies outside its segment's prefix {}", prefix.to_string()));
    if (address == prefix.network || address == prefix.at(prefix.size() - 1))
        return wrong(fmt::format("is the network or broadcast address of {}", prefix.to_string()));
    if (!taken.insert(address).second) return wrong("is given to another host as well");
    return address;
}

}  // namespace

Result<SegmentPlan> assign_addresses(const Underlay& underlay, SegmentPlan plan) {
    std::vector<Members> members(plan.segments.size());
    for (std::size_t i = 0; i < plan.interfaces.size(); ++i)
        members[plan.interfaces[i].segment].push_back(i);
    OVERLAB_TRY(const std::vector<Ipv4Prefix> prefixes, choose_prefixes(underlay, plan, members));

    for (SegmentId id = 0; id < plan.segments.size(); ++id) {
        const Ipv4Prefix prefix = prefixes[id];
        plan.segments[id].prefix = prefix;
        std::set<Ipv4Address> taken;
        for (const std::size_t i : members[id]) {
            const UnderlayNode& node = underlay.nodes[plan.interfaces[i].node];
            if (!node.address) continue;
            OVERLAB_TRY(plan.interfaces[i].address, check_given(node, prefix, taken));
        }
        std::uint64_t next = 1;
        const auto assign = [&](bool routers) {
            for (const std::size_t i : members[id]) {
                const UnderlayNode& node = underlay.nodes[plan.interfaces[i].node];
                if ((node.kind == UnderlayNode::Kind::router) != routers || node.address) continue;
                while (taken.contains(prefix.at(next))) ++next;
                plan.interfaces[i].address = prefix.at(next++);
            }
        };
        assign(true);
        assign(false);
        CHECK(next <= prefix.size() - 1);
    }
    return plan;
}

}  // namespace overlab
