#include "models/forwarding/policy_table.h"

#include <algorithm>
#include <tuple>

namespace overlab {
namespace {

std::uint64_t selector_key(Ipv4Address source, Ipv4Address destination) {
    return (std::uint64_t{source.bits} << 32) | destination.bits;
}

std::uint64_t selector_key(const PolicyRow& row) {
    return selector_key(row.source.network, row.destination.network);
}

}  // namespace

bool PolicyTable::before(const Level& level, const PolicyRow& row) {
    // Lengths are compared the wrong way round on purpose: the longest comes first.
    return std::tuple(level.direction, row.destination.length, row.source.length) <
           std::tuple(row.direction, level.destination_length, level.source_length);
}

void PolicyTable::install(const PolicyRow& row) {
    auto at = std::lower_bound(levels_.begin(), levels_.end(), row, before);
    if (at == levels_.end() || at->direction != row.direction ||
        at->destination_length != row.destination.length ||
        at->source_length != row.source.length) {
        at =
            levels_.insert(at, Level{row.direction, row.destination.length, row.source.length, {}});
    }
    const PolicyEntry entry{row.tunnel_source, row.tunnel_destination, row.reqid};
    if (at->entries.put(selector_key(row), entry)) ++size_;
}

void PolicyTable::withdraw(const PolicyRow& row) {
    for (auto level = levels_.begin(); level != levels_.end(); ++level) {
        if (level->direction != row.direction ||
            level->destination_length != row.destination.length ||
            level->source_length != row.source.length) {
            continue;
        }
        if (level->entries.erase(selector_key(row))) --size_;
        if (level->entries.empty()) levels_.erase(level);
        return;
    }
}

PolicyTable::Found PolicyTable::lookup(PolicyRow::Direction direction, Ipv4Address source,
                                       Ipv4Address destination) const {
    for (const Level& level : levels_) {
        if (level.direction != direction) continue;
        const Ipv4Prefix from = Ipv4Prefix::of(source, level.source_length);
        const Ipv4Prefix to = Ipv4Prefix::of(destination, level.destination_length);
        const PolicyEntry* entry = level.entries.find(selector_key(from.network, to.network));
        if (entry != nullptr) return {entry, from, to};
    }
    return {};
}

const PolicyEntry* PolicyTable::find(PolicyRow::Direction direction, Ipv4Address source,
                                     Ipv4Address destination) const {
    return lookup(direction, source, destination).entry;
}

std::optional<PolicyRow> PolicyTable::find_row(PolicyRow::Direction direction, Ipv4Address source,
                                               Ipv4Address destination) const {
    const auto [entry, from, to] = lookup(direction, source, destination);
    if (entry == nullptr) return std::nullopt;
    return PolicyRow{direction,   from, to, entry->tunnel_source, entry->tunnel_destination,
                     entry->reqid};
}

void PolicyTable::dump(std::vector<Row>& rows) const {
    std::vector<PolicyRow> found;
    found.reserve(size_);
    for (const Level& level : levels_) {
        level.entries.for_each([&](std::uint64_t key, const PolicyEntry& entry) {
            const Ipv4Address source{static_cast<std::uint32_t>(key >> 32)};
            const Ipv4Address destination{static_cast<std::uint32_t>(key)};
            found.push_back({level.direction,
                             {source, level.source_length},
                             {destination, level.destination_length},
                             entry.tunnel_source,
                             entry.tunnel_destination,
                             entry.reqid});
        });
    }
    std::ranges::sort(found, {}, [](const PolicyRow& row) {
        return std::tuple(row.direction, row.source, row.destination);
    });
    rows.insert(rows.end(), found.begin(), found.end());
}

}  // namespace overlab
