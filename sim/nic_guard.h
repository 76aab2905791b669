// NicGuard: which packets a broken network takes from a host without a word: those of hosts on the
// other side of a partition, and those to and from the store that it cannot reach.
//
// Both are judged at the host's own NIC, so that what stands between (switches, routers, paths)
// need not know of them. Who sent a packet says its Ethernet source where that is a host's (a
// packet of pods carries no underlay address under host-gw), else its outer IPv4 source.
#pragma once

#include <cstdint>
#include <optional>

#include "models/base/flat_hash.h"
#include "sim/frame.h"
#include "sim/host_socket.h"

namespace overlab::sim {

/// Who is on which side; shared by all hosts.
struct PartitionMap {
    bool in_force = false;
    FlatHash<std::uint64_t, std::uint32_t> side_by_mac;
    FlatHash<std::uint32_t, std::uint32_t> side_by_address;
};

class NicGuard {
   public:
    NicGuard(const PartitionMap& map, Endpoint store) : map_(&map), store_(store) {}

    void set_side(std::uint32_t side) { side_ = side; }
    void set_store_reachable(bool reachable) { store_reachable_ = reachable; }
    /// Nothing is to be stopped: the host can do without.
    [[nodiscard]] bool idle() const { return !map_->in_force && store_reachable_; }

    /// An Ethernet frame for this host, data() at the Ethernet header.
    [[nodiscard]] bool lets_in(const Frame& frame) const;
    /// An IPv4 packet of this host, data() at its outer header.
    [[nodiscard]] bool lets_out(const Frame& packet) const;

   private:
    [[nodiscard]] std::optional<std::uint32_t> side_of_sender(const Frame& frame) const;
    [[nodiscard]] bool is_store_packet(const std::uint8_t* ip, bool coming) const;

    const PartitionMap* map_;
    Endpoint store_;
    std::uint32_t side_ = 0;
    bool store_reachable_ = true;
};

}  // namespace overlab::sim
