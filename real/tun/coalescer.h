// Coalescer: merges consecutive TCP packets of a flow into super-packets for a TUN device, the
// inverse of segmenter.h: what the kernel would make of the super-packet again are exactly the
// packets that came in. Within a flow nothing is reordered, and nothing is ever dropped.
//
// The rules are those of inet_gro_receive() and tcp_gro_receive(). A packet may start or join a
// super-packet if it
//   - is IPv4 without options, no fragment, as long as its header says, with a right header
//     checksum (ip_fast_csum) and a right TCP checksum: a wrong one must reach the receiver as it
//     is, and the super-packet's would be computed anew;
//   - has payload, and none of SYN, RST, URG.
// It joins one that is open if, beside addresses and ports,
//   - TOS, TTL, DF and the reserved flag are equal. ECN is part of TOS: a CE mark stays with the
//     packets that have it;
//   - the IP id is the next one. The kernel also takes constant ids of DF packets; there is no way
//     to tell a TUN device so, and the ids would change;
//   - sequence number is the next, ACK number, window, data offset, reserved bits, urgent pointer
//     and options (so timestamps) are equal, and flags but for PSH and FIN. CWR only fits the first
//     packet (RFC 3168 §6.1.2), so a packet that has it starts anew;
//   - its payload is not longer than the first's, and the whole fits an IPv4 packet.
// A shorter payload, PSH or FIN make it the super-packet's last.
//
// Packets are not copied: their memory, which is written to, must stay until flush().
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "real/tun/vnet_header.h"

namespace overlab::real {

class Coalescer {
   public:
    static constexpr std::size_t max_flows = 8;     ///< as MAX_GRO_SKBS; a ninth closes the oldest
    static constexpr std::size_t max_packets = 64;  ///< in one super-packet

    /// Takes what comes out.
    class Sink {
       public:
        virtual void deliver(const VnetHeader& vnet, std::span<const iovec> pieces) = 0;

       protected:
        ~Sink() = default;
    };

    explicit Coalescer(Sink& sink) : sink_(sink) {}

    /// `packet` is one IPv4 packet as it came from the wire.
    void add(std::span<std::uint8_t> packet);
    /// Delivers what is open, in the order of arrival of the first packets.
    void flush();

   private:
    /// A TCP packet that could be merged.
    struct Segment {
        std::uint8_t* data = nullptr;
        std::size_t header_bytes = 0, payload_bytes = 0;

        [[nodiscard]] std::uint32_t sequence() const;
        [[nodiscard]] std::uint8_t flags() const;
        [[nodiscard]] bool ends_super_packet() const;  ///< PSH or FIN
    };
    struct Flow {
        Segment first;
        std::size_t payload_bytes = 0;
        std::size_t packets = 0;
        std::uint32_t next_sequence = 0;
        std::array<iovec, max_packets> pieces;  ///< the first packet, then payloads
    };
    enum class Kind : std::uint8_t {
        data,     ///< may be merged
        lone,     ///< a flow's packet that must go by itself
        not_tcp,  ///< of no flow of ours
        unknown,  ///< of which flow cannot be told
    };

    [[nodiscard]] static Kind classify(std::span<std::uint8_t> packet, Segment& segment);
    [[nodiscard]] static bool fits(const Flow& flow, const Segment& segment);
    void add_data(const Segment& segment);
    void append(Flow& flow, const Segment& segment);
    void open(const Segment& segment);
    /// Position in open_, or open_count_.
    [[nodiscard]] std::size_t find(const std::uint8_t* packet) const;
    void close(std::size_t position);
    void deliver(Flow& flow);

    Sink& sink_;
    std::array<Flow, max_flows> flows_;
    /// A permutation of the flows: those in use, in order of arrival, then the free ones.
    std::array<std::uint8_t, max_flows> open_ = {0, 1, 2, 3, 4, 5, 6, 7};
    std::size_t open_count_ = 0;
};

}  // namespace overlab::real
