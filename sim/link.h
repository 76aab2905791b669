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
// A fault may change the link while it works (change()). What has left keeps its time: after the
// delay was shortened, a frame may overtake one that was sent before.
//
// Left out: priorities and active queue management (the analytic queue cannot reorder).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "models/fault/fault.h"
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
    std::uint64_t corrupt_drops = 0;  ///< crossed the wire; the far end found the checksum wrong
    std::uint64_t duplicates = 0;     ///< arrived a second time
    std::uint64_t reordered = 0;      ///< arrived before some that were sent earlier
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
    /// Why nothing is carried. Reasons add up; each is switched on and off by itself.
    enum Down : std::uint8_t { cut = 1, end_off = 2 };
    void set_down(Down reason, bool down) {
        down_ = static_cast<std::uint8_t>(down ? down_ | reason : down_ & ~unsigned{reason});
    }
    void set_up(bool up) { set_down(cut, !up); }
    /// What is absent is as the link was made.
    void change(const LinkChange& change);

    /// Queues an Ethernet frame, or drops it.
    void send(FramePtr frame);

    [[nodiscard]] const LinkCounters& counters() const { return counters_; }
    /// What its ends take it for, which a fault does not tell them.
    [[nodiscard]] std::uint32_t mtu() const { return spec_.mtu; }
    [[nodiscard]] std::uint64_t packet_hops() const { return counters_.packets; }

   private:
    /// Time on the wire in units of 2^-20 ns: rates that do not divide a nanosecond keep their
    /// mean.
    using WireTime = std::uint64_t;
    static constexpr unsigned fraction_bits = 20;

    [[nodiscard]] WireTime wire_time(std::uint64_t bytes) const { return bytes * time_per_byte_; }
    /// What a changed link does to single packets; each with its own stream of chances.
    struct Disorder {
        std::uint32_t corrupt_ppb = 0, duplicate_ppb = 0, reorder_ppb = 0;
        Rng corrupt, duplicate, reorder;
    };
    enum class Fate : std::uint8_t { whole, lost, corrupt, duplicated, early };

    [[nodiscard]] bool trim_to_mtu(FramePtr& frame);
    [[nodiscard]] bool trim_to_queue(FramePtr& frame, std::int64_t backlog_ns);
    void transmit(FramePtr frame);
    void launch(FramePtr frame, std::int64_t head_ns, std::int64_t tail_ns);
    void launch_one_by_one(FramePtr frame, std::int64_t head_ns, std::int64_t tail_ns);
    [[nodiscard]] Fate draw_fate();
    void meet(Fate fate, FramePtr packet, std::int64_t at_ns);

    Engine* engine_;
    Spec spec_;
    std::uint64_t seed_;
    FrameSink* peer_ = nullptr;
    std::uint32_t peer_port_ = 0;
    WireTime time_per_byte_;
    std::int64_t delay_ns_;
    std::uint64_t queue_bytes_;
    std::uint32_t loss_ppb_;
    std::uint32_t wire_mtu_;
    bool orderly_;  ///< every packet arrives, once, in its turn
    std::int64_t busy_until_ns_ = 0;
    WireTime busy_fraction_ = 0;
    std::uint8_t down_ = 0;  ///< of Down
    bool forward_ = true;
    LinkTap* tap_ = nullptr;
    std::vector<std::uint64_t>* by_flow_ = nullptr;
    Rng loss_;
    std::unique_ptr<Disorder> disorder_;  ///< made by the first change
    LinkCounters counters_;
};

/// Wire bytes of one real packet whose Ethernet frame has `frame_bytes` (without FCS): minimum
/// frame size, preamble, FCS and gap included.
[[nodiscard]] constexpr std::uint64_t wire_bytes(std::uint64_t frame_bytes) {
    return (frame_bytes < 60 ? 60 : frame_bytes) + Frame::wire_extra_bytes;
}

}  // namespace overlab::sim
