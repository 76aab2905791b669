// LinkTransmitter: one direction of a full-duplex Ethernet link with a drop-tail queue in front.
//
// The queue is not stored: departures are computed when a frame is handed over, so a hop costs one
// event. With rate r and backlog b(t) = (busy_until - t) * r, a frame is dropped when b(t) + its
// size > queue_bytes.
//
// An aggregate (frame.h) takes the wire time of all its real packets, but what follows sees it when
// its *first* packet has arrived; `tail_ns` says how much later its last one does. So an aggregate
// crosses several hops in pipeline, as its packets would, not store-and-forward as a whole. Loss
// and queue overflow hit single real packets: the survivors go on as smaller aggregates.
//
// Left out: priorities and active queue management (the analytic queue cannot reorder), bit errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "sim/engine.h"
#include "sim/frame.h"

namespace overlab::sim {

/// Sees every frame as it is put on a link, before loss.
class LinkTap {
   public:
    /// `start_ns`: the first packet's first bit; each real packet of wire size s follows s *
    /// ns_per_byte later.
    virtual void sent(const Frame& frame, std::int64_t start_ns, std::uint64_t time_per_byte,
                      bool forward) = 0;

   protected:
    ~LinkTap() = default;
};

struct LinkCounters {
    std::uint64_t packets = 0, bytes = 0;  ///< real packets; bytes with all framing (38 B each)
    std::uint64_t queue_drops = 0, loss_drops = 0, mtu_drops = 0, down_drops = 0;
    std::uint32_t largest_packet_bytes = 0;  ///< layer 3
};

class LinkTransmitter {
   public:
    struct Spec {
        std::string name;  ///< names the random stream of its losses
        std::uint64_t rate_bps = 0;
        std::int64_t delay_ns = 0;
        std::uint64_t queue_bytes = 0;
        std::uint32_t loss_ppb = 0;
        std::uint32_t mtu = 1500;  ///< layer 3
    };

    LinkTransmitter(Engine& engine, const Spec& spec, std::uint64_t seed);

    /// The far end. Must be called before the first send().
    void connect(FrameSink& peer, std::uint32_t peer_port);
    void set_tap(LinkTap* tap, bool forward) {
        tap_ = tap;
        forward_ = forward;
    }
    /// Counts wire bytes by Frame::flow_id there (a host's own link: the first hop of its flows).
    void count_flows(std::vector<std::uint64_t>* wire_bytes_by_flow) {
        by_flow_ = wire_bytes_by_flow;
    }
    void set_up(bool up) { up_ = up; }

    /// Queues an Ethernet frame, or drops it.
    void send(FramePtr frame);

    [[nodiscard]] const LinkCounters& counters() const { return counters_; }
    [[nodiscard]] std::uint32_t mtu() const { return mtu_; }
    [[nodiscard]] std::uint64_t packet_hops() const { return counters_.packets; }

   private:
    /// Time on the wire in units of 2^-20 ns: rates that do not divide a nanosecond keep their
    /// mean.
    using WireTime = std::uint64_t;
    static constexpr unsigned fraction_bits = 20;

    [[nodiscard]] WireTime wire_time(std::uint64_t bytes) const { return bytes * time_per_byte_; }
    [[nodiscard]] bool trim_to_queue(FramePtr& frame, std::int64_t backlog_ns);
    void transmit(FramePtr frame);
    void launch(FramePtr frame, std::int64_t head_ns, std::int64_t tail_ns);
    void lose_and_launch(FramePtr frame, std::int64_t head_ns, std::int64_t tail_ns);

    Engine* engine_;
    FrameSink* peer_ = nullptr;
    std::uint32_t peer_port_ = 0;
    WireTime time_per_byte_;
    std::int64_t delay_ns_;
    std::uint64_t queue_bytes_;
    std::uint32_t loss_ppb_;
    std::uint32_t mtu_;
    std::int64_t busy_until_ns_ = 0;
    WireTime busy_fraction_ = 0;
    bool up_ = true;
    bool forward_ = true;
    LinkTap* tap_ = nullptr;
    std::vector<std::uint64_t>* by_flow_ = nullptr;
    Rng loss_;
    LinkCounters counters_;
};

/// Wire bytes of one real packet whose Ethernet frame has `frame_bytes` (without FCS): minimum
/// frame size, preamble, FCS and gap included.
[[nodiscard]] constexpr std::uint64_t wire_bytes(std::uint64_t frame_bytes) {
    return (frame_bytes < 60 ? 60 : frame_bytes) + Frame::wire_extra_bytes;
}

}  // namespace overlab::sim
