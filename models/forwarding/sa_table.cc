#include "models/forwarding/sa_table.h"

#include <algorithm>
#include <tuple>

namespace overlab {
namespace {

std::uint64_t join(std::uint32_t high, std::uint32_t low) {
    return (std::uint64_t{high} << 32) | low;
}

}  // namespace

void SaTable::install(const SaRow& row) {
    const SaEntry entry{row.spi, row.reqid, row.encap_port};
    const std::uint64_t tunnel = join(row.source.bits, row.destination.bits);
    const std::uint32_t* first = newest_.find(tunnel);
    for (std::uint32_t i = first ? *first : none; i != none; i = nodes_[i].older) {
        if (nodes_[i].entry.spi == row.spi) {
            nodes_[i].entry = entry;
            return;
        }
    }
    const Node node{entry, first ? *first : none};
    auto slot = static_cast<std::uint32_t>(nodes_.size());
    if (free_.empty()) {
        nodes_.push_back(node);
    } else {
        slot = free_.back();
        free_.pop_back();
        nodes_[slot] = node;
    }
    newest_.put(tunnel, slot);
    const std::uint64_t name = join(row.destination.bits, row.spi);
    const std::uint32_t* count = inbound_.find(name);
    inbound_.put(name, count ? *count + 1 : 1);
}

void SaTable::withdraw(const SaRow& row) {
    const std::uint64_t tunnel = join(row.source.bits, row.destination.bits);
    const std::uint32_t* first = newest_.find(tunnel);
    std::uint32_t newer = none;
    std::uint32_t slot = first ? *first : none;
    while (slot != none && nodes_[slot].entry.spi != row.spi) {
        newer = slot;
        slot = nodes_[slot].older;
    }
    if (slot == none) return;
    const std::uint32_t older = nodes_[slot].older;
    if (newer != none) {
        nodes_[newer].older = older;
    } else if (older != none) {
        newest_.put(tunnel, older);
    } else {
        newest_.erase(tunnel);
    }
    free_.push_back(slot);
    const std::uint64_t name = join(row.destination.bits, row.spi);
    std::uint32_t* count = inbound_.find(name);
    if (--*count == 0) inbound_.erase(name);
}

const SaEntry* SaTable::newest(Ipv4Address source, Ipv4Address destination,
                               std::uint32_t reqid) const {
    const std::uint32_t* first = newest_.find(join(source.bits, destination.bits));
    for (std::uint32_t i = first ? *first : none; i != none; i = nodes_[i].older) {
        if (nodes_[i].entry.reqid == reqid) return &nodes_[i].entry;
    }
    return nullptr;
}

bool SaTable::has_inbound(Ipv4Address destination, std::uint32_t spi) const {
    return inbound_.find(join(destination.bits, spi)) != nullptr;
}

void SaTable::dump(std::vector<Row>& rows) const {
    std::vector<SaRow> found;
    newest_.for_each([&](std::uint64_t tunnel, std::uint32_t first) {
        const Ipv4Address source{static_cast<std::uint32_t>(tunnel >> 32)};
        const Ipv4Address destination{static_cast<std::uint32_t>(tunnel)};
        for (std::uint32_t i = first; i != none; i = nodes_[i].older) {
            const SaEntry& entry = nodes_[i].entry;
            found.push_back({source, destination, entry.spi, entry.reqid, entry.encap_port});
        }
    });
    std::ranges::sort(found, {}, [](const SaRow& row) {
        return std::tuple(row.source, row.destination, row.spi);
    });
    rows.insert(rows.end(), found.begin(), found.end());
}

}  // namespace overlab
