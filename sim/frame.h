// Frame: what travels in the simulated network. All headers, outermost first, stand byte-exact in
// one small buffer, so that encapsulation is a copy of 50 bytes downwards and never touches the
// payload; the payload is an ns3::Packet (pods) or just a length (generators, protocol models).
//
//      bytes:  [ free room | outer Eth | outer IP | UDP | VXLAN | Eth | IP | TCP ] payload [ ESP
//      trailer ]
//                          ^ begin                                              ^ capacity
//
// A frame may stand for `segments` real packets, as TSO and GRO make them: equal headers,
// `segment_payload` payload bytes each, the last one what is left. Header fields that differ
// between the real packets (lengths, IP id, TCP sequence, ESP sequence) hold the first one's
// values; real_packets() (sim/capture.h) spells all of them out. Checksums of transport headers are
// left zero here and filled in there, as a NIC that offloads them would; IPv4 header checksums are
// always right.
#pragma once

#include <ns3/packet.h>
#include <ns3/ptr.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>

#include "models/base/check.h"
#include "sim/engine.h"

namespace overlab::sim {

class Frame;

/// Takes frames: a host's NIC, a switch port, a pod. `port` says where or at which step it resumes.
class FrameSink {
   public:
    virtual void receive(std::unique_ptr<Frame> frame, std::uint32_t port) = 0;

   protected:
    ~FrameSink() = default;
};

/// Bytes of a sender still inside its own host (socket to wire): TCP small queues. Shared by the
/// frames in flight; the owner may go away first.
struct TxBudget {
    std::uint32_t queued_bytes = 0;
    std::function<void()> drained;  ///< called when bytes left the host; may be empty
};

/// What is wrapped around the innermost packet.
enum class Encapsulation : std::uint8_t {
    none,
    vxlan,       ///< IP UDP VXLAN Eth
    udp_proxy,   ///< IP UDP
    ipip,        ///< IP
    esp,         ///< IP ESP IV
    esp_in_udp,  ///< IP UDP ESP IV (RFC 3948)
};

class Frame final : public Action {
   public:
    static constexpr std::size_t capacity = 192;
    /// Ethernet preamble 8, FCS 4, gap 12: on the wire, in no capture (the 14-byte header is
    /// counted apart).
    static constexpr std::uint32_t wire_extra_bytes = 24;

    Frame() = default;
    ~Frame() {
        if (budget != nullptr) budget->queued_bytes -= budget_bytes;  // dropped inside the host
    }
    Frame(const Frame& other);  ///< deep, but for the shared immutable payload
    Frame& operator=(const Frame&) = delete;

    static void* operator new(std::size_t size);
    static void operator delete(void* memory);

    // --- headers -------------------------------------------------------------------------------
    [[nodiscard]] std::uint8_t* data() { return bytes.data() + begin; }
    [[nodiscard]] const std::uint8_t* data() const { return bytes.data() + begin; }
    [[nodiscard]] std::uint32_t header_bytes() const {
        return static_cast<std::uint32_t>(capacity - begin);
    }
    /// Makes room for `n` header bytes in front and returns where they go (not zeroed).
    std::uint8_t* prepend(std::size_t n) {
        CHECK(n <= begin);
        begin = static_cast<std::uint16_t>(begin - n);
        return data();
    }
    void strip(std::size_t n) {
        CHECK(begin + n <= capacity);
        begin = static_cast<std::uint16_t>(begin + n);
    }

    // --- sizes ---------------------------------------------------------------------------------
    /// Payload of the first real packet.
    [[nodiscard]] std::uint32_t first_payload() const {
        return segments == 1 ? payload_bytes : segment_payload;
    }
    [[nodiscard]] std::uint32_t last_payload() const {
        return payload_bytes - (segments - 1U) * segment_payload;
    }
    /// First (largest) real packet from data() on, ESP trailer included.
    [[nodiscard]] std::uint32_t first_size() const {
        return header_bytes() + first_payload() + (segments == 1 ? last_trailer : trailer);
    }
    /// Sum over all real packets from data() on.
    [[nodiscard]] std::uint64_t total_size() const {
        return std::uint64_t{segments} * header_bytes() + payload_bytes +
               (segments - 1ULL) * trailer + last_trailer;
    }

    /// The innermost IPv4 header.
    [[nodiscard]] std::uint8_t* inner_ip() { return bytes.data() + inner_ip_at; }
    [[nodiscard]] const std::uint8_t* inner_ip() const { return bytes.data() + inner_ip_at; }
    /// The outermost IPv4 header.
    [[nodiscard]] std::uint8_t* outer_ip() { return data() + (has_ethernet ? 14 : 0); }
    [[nodiscard]] const std::uint8_t* outer_ip() const { return data() + (has_ethernet ? 14 : 0); }
    /// Rewrites the length fields and IPv4 checksums of every layer for the first real packet.
    void refresh_lengths();

    /// Cuts off the first `count` (0 < count < segments) real packets and returns them as a frame
    /// of their own; this one keeps the rest, its header fields moved on to its new first packet.
    [[nodiscard]] std::unique_ptr<Frame> split_front(std::uint32_t count);

    /// Gives the sender's budget back at `when_ns` (>= now) and tells it.
    void release_budget(Engine& engine, std::int64_t when_ns);

    // --- scheduling ----------------------------------------------------------------------------
    /// Hands `frame` to `to` at `time_ns`; the engine owns it until then.
    static void deliver_at(Engine& engine, std::unique_ptr<Frame> frame, std::int64_t time_ns,
                           FrameSink& to, std::uint32_t port, std::uint32_t context = 0xffffffff);
    void fire() override;
    void discard() override;

    std::array<std::uint8_t, capacity> bytes;
    std::uint16_t begin = capacity;
    std::uint16_t inner_ip_at = capacity;  ///< index of the innermost IPv4 header
    Encapsulation encapsulation = Encapsulation::none;
    bool has_ethernet = false;  ///< data() is at an Ethernet header
    std::uint16_t segments = 1;
    std::uint16_t segment_payload = 0;  ///< only when segments > 1
    std::uint16_t trailer = 0;  ///< ESP padding, length, next header and ICV of a full real packet
    std::uint16_t last_trailer = 0;     ///< ... of the last one
    std::uint32_t payload_bytes = 0;    ///< all segments together
    ns3::Ptr<ns3::Packet> payload;      ///< null: payload_bytes zero bytes
    std::uint64_t flow_hash = 0;        ///< of the innermost packet's addresses and ports
    std::uint64_t outer_hash = 0;       ///< of the outermost packet's: what switches and NICs see
    std::uint16_t core = 0;             ///< of the host it is in: where it was worked on last
    std::uint32_t flow_id = 0;          ///< traffic index + 1; 0: control traffic
    std::int64_t tail_ns = 0;           ///< the last byte arrives this much after the first packet
    std::int64_t sent_ns = 0;           ///< set by generators: one-way delay
    std::shared_ptr<const void> cargo;  ///< what a protocol model sends (store, IKE)
    std::shared_ptr<TxBudget> budget;   ///< released when the frame leaves the host
    std::uint32_t budget_bytes = 0;

   private:
    FrameSink* sink_ = nullptr;
    std::uint32_t port_ = 0;
};
using FramePtr = std::unique_ptr<Frame>;

}  // namespace overlab::sim
