// IpInterface: an Ethernet interface with an IPv4 address, of a host or a router: resolves next
// hops by ARP (RFC 826, really exchanged over the links) and frames packets.
//
// As Linux: a packet to an unresolved next hop waits (at most 101 of them, net.ipv4.neigh
// unres_qlen) while the request is sent up to three times, a second apart; then the waiting packets
// are given back as unreachable (arp_error_report()). A host that is asked learns the asker. Left
// out: ageing (an entry stays until another sender address is seen), unicast probes.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/net/address.h"
#include "sim/engine.h"
#include "sim/link.h"

namespace overlab::sim {

class IpInterface {
   public:
    struct Identity {
        MacAddress mac;
        Ipv4Address address;
        Ipv4Prefix subnet;
    };
    using Unreachable = std::function<void(FramePtr packet)>;

    /// `unreachable` gets packets whose next hop never answered; data() at their IPv4 header.
    IpInterface(Engine& engine, const Identity& identity, LinkTransmitter& link,
                Unreachable unreachable);
    IpInterface(const IpInterface&) = delete;
    IpInterface& operator=(const IpInterface&) = delete;
    ~IpInterface();

    /// Sends an IPv4 packet to `next_hop` on this segment, after ARP if need be.
    void output(FramePtr packet, Ipv4Address next_hop);

    /// True if the Ethernet frame is for us (our MAC or broadcast).
    [[nodiscard]] bool accepts(const Frame& frame) const;
    /// An ARP frame that accepts() let in.
    void receive_arp(const Frame& frame);

    /// Neighbours keep what they have learnt until they ask again.
    void set_address(Ipv4Address address) { identity_.address = address; }
    /// Forgets all neighbours and what waits for them, as a host that loses its memory.
    void forget_all();

    [[nodiscard]] const Identity& identity() const { return identity_; }
    [[nodiscard]] LinkTransmitter& link() { return *link_; }

   private:
    struct Resolution;
    static constexpr unsigned max_requests = 3;
    static constexpr std::int64_t request_interval_ns = 1'000'000'000;
    static constexpr std::size_t max_waiting = 101;

    void frame_and_send(FramePtr packet, MacAddress to);
    void wait_for(FramePtr packet, Ipv4Address next_hop);
    void request(Resolution& resolution);
    void learned(Ipv4Address address, MacAddress mac);
    void send_arp(std::uint16_t operation, MacAddress to, Ipv4Address target);
    Resolution* find_resolution(Ipv4Address address);
    void forget(Resolution* resolution);

    Engine* engine_;
    Identity identity_;
    LinkTransmitter* link_;
    Unreachable unreachable_;
    FlatHash<std::uint32_t, MacAddress> neighbours_;
    std::vector<Resolution*> resolutions_;  ///< few at a time; owned by the engine's queue
};

}  // namespace overlab::sim
