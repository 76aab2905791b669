// RawGenerator and RawSink: pod ends without a protocol stack, for benchmarks of everything below
// the pods. Frames are written byte by byte from a template; nothing is allocated per packet but
// the pooled Frame.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "models/base/time.h"
#include "sim/engine.h"
#include "sim/pod_port.h"

namespace overlab::sim {

/// Counts what arrives, and frees it.
class RawSink : public PodEnd {
   public:
    void from_host(FramePtr frame) override {
        packets_ += frame->segments;
        bytes_ += frame->payload_bytes;
    }
    void configured(Ipv4Address address, Ipv4Prefix, Ipv4Address, std::uint32_t) override {
        address_ = address;
    }

    [[nodiscard]] std::uint64_t packets() const { return packets_; }
    [[nodiscard]] std::uint64_t payload_bytes() const { return bytes_; }
    [[nodiscard]] Ipv4Address address() const { return address_; }

   private:
    std::uint64_t packets_ = 0, bytes_ = 0;
    Ipv4Address address_;
};

/// Sends UDP datagrams at a constant interval, to its destinations in turn or at random, once it is
/// configured; receives as a RawSink.
class RawGenerator final : public RawSink, private Action {
   public:
    struct Spec {
        std::string name;  ///< of its random stream
        std::uint64_t seed = 1;
        std::vector<Ipv4Address> destinations;  ///< not empty
        bool random = true;
        std::uint32_t payload_bytes = 1'400;
        Duration interval = microseconds(10);  ///< > 0
        std::uint16_t port = 9;                ///< discard; source port too
        std::uint32_t flow_id = 0;
    };

    RawGenerator(Engine& engine, PodPort& port, Spec spec);

    /// From `begin` to before `end`. Once. The generator must stay until the engine is past `end`
    /// or destroyed.
    void run(Instant begin, Instant end);
    [[nodiscard]] std::uint64_t sent() const { return sent_; }

   private:
    static constexpr std::size_t header_bytes = 28;

    void fire() override;
    void discard() override {}
    void send();
    [[nodiscard]] Ipv4Address next_destination();

    Engine* engine_;
    PodPort* port_;
    Spec spec_;
    Rng rng_;
    std::array<std::uint8_t, header_bytes> template_{};
    std::int64_t end_ns_ = 0;
    std::uint64_t sent_ = 0;
};

}  // namespace overlab::sim
