// SwitchNode: one layer-2 switch of a fabric. Unicast frames follow shortest paths to the interface
// that owns the destination MAC, chosen among equal ones by the outer flow hash (as SPB or EVPN
// fabrics do); broadcasts follow the segment's spanning tree. Store-and-forward of single packets,
// no latency of its own, no TTL.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/underlay/graph.h"
#include "sim/frame.h"
#include "sim/link.h"

namespace overlab::sim {

/// Who is where; shared by all switches of a run.
struct FabricDirectory {
    FlatHash<std::uint64_t, std::uint32_t> node_by_mac;
    FlatHash<std::uint32_t, std::uint32_t> node_by_address;
};

class SwitchNode final : public FrameSink {
   public:
    /// `transmitters`: by LinkId, this switch's sending side; null where the link is not ours.
    SwitchNode(const UnderlayGraph& graph, NodeIndex self, const FabricDirectory& directory,
               std::vector<LinkTransmitter*> transmitters);

    /// `port` is the LinkId the frame came in by.
    void receive(FramePtr frame, std::uint32_t port) override;

    /// Packets for a MAC that nobody reachable owns.
    [[nodiscard]] std::uint64_t unknown_destination() const { return unknown_; }

   private:
    struct Choices {
        std::uint32_t first = 0;
        std::uint16_t count = 0;
        bool known = false;
    };

    static constexpr std::size_t suppress_arp_above = 256;

    void broadcast(FramePtr frame, std::uint32_t from);
    void to_owner(FramePtr frame, std::uint32_t owner);
    [[nodiscard]] bool on_large_segment() const;
    const Choices& choices_for(std::uint32_t owner);

    const UnderlayGraph* graph_;
    NodeIndex self_;
    std::uint64_t salt_;
    const FabricDirectory* directory_;
    std::vector<LinkTransmitter*> transmitters_;
    std::vector<LinkId> flood_links_;
    bool suppress_arp_;
    std::vector<Choices> by_owner_;        ///< filled as destinations are seen
    std::vector<LinkTransmitter*> ports_;  ///< Choices index into this
    std::uint64_t unknown_ = 0;
};

}  // namespace overlab::sim
