// Links: time on the wire, the queue, loss, and what they do to aggregates.
#include <memory>
#include <vector>

#include "sim/ip_packet.h"
#include "sim/link.h"
#include "tests/support/catch.h"

using namespace overlab;
using sim::Frame;
using sim::FramePtr;

namespace {

struct Arrival {
    std::int64_t head_ns, tail_ns;
    std::uint32_t segments, payload_bytes;
};

class Sink final : public sim::FrameSink {
   public:
    explicit Sink(sim::Engine& engine) : engine_(&engine) {}
    void receive(FramePtr frame, std::uint32_t) override {
        const std::int64_t now = engine_->now_ns();
        arrivals.push_back({now, now + frame->tail_ns, frame->segments, frame->payload_bytes});
    }
    std::vector<Arrival> arrivals;

   private:
    sim::Engine* engine_;
};

/// A link of 1 Gbit/s (8 ns a byte) and 1 us.
struct Wire {
    explicit Wire(sim::LinkTransmitter::Spec spec = {}) : link(engine, with_defaults(spec), 1) {
        link.connect(sink, 0);
    }
    ~Wire() { sim::Engine::uninstall(); }

    static sim::LinkTransmitter::Spec with_defaults(sim::LinkTransmitter::Spec spec) {
        spec.name = "a--b/a";
        spec.rate_bps = 1'000'000'000;
        spec.delay_ns = 1000;
        if (spec.queue_bytes == 0) spec.queue_bytes = 1'000'000;
        return spec;
    }

    /// An Ethernet frame of `segments` real packets with `payload` bytes each: 34 bytes of headers.
    static FramePtr frame(std::uint16_t segments, std::uint16_t payload) {
        auto made = std::make_unique<Frame>();
        made->segments = segments;
        made->segment_payload = payload;
        made->payload_bytes = std::uint32_t{segments} * payload;
        sim::push_ipv4(*made, {});
        made->inner_ip_at = made->begin;
        made->prepend(14);
        made->has_ethernet = true;
        return made;
    }
    void run() { engine.run_until(1'000'000'000); }

    sim::Engine& engine = sim::Engine::install();
    Sink sink{engine};
    sim::LinkTransmitter link;
};

}  // namespace

TEST_CASE("a packet takes its bytes with all framing, and the delay") {
    Wire wire;

    wire.link.send(Wire::frame(1, 966));  // 1000 bytes of Ethernet frame, 24 around it
    wire.run();

    REQUIRE(wire.sink.arrivals.size() == 1);
    CHECK(wire.sink.arrivals[0].head_ns == 1024 * 8 + 1000);
    CHECK(wire.sink.arrivals[0].tail_ns == wire.sink.arrivals[0].head_ns);
}

TEST_CASE("the smallest frame still takes Ethernet's minimum") {
    Wire wire;

    wire.link.send(Wire::frame(1, 1));
    wire.run();

    CHECK(wire.sink.arrivals.at(0).head_ns == 84 * 8 + 1000);
}

TEST_CASE("an aggregate is seen when its first packet is there, and ends when its last one is") {
    Wire wire;

    wire.link.send(Wire::frame(10, 966));
    wire.link.send(Wire::frame(1, 966));
    wire.run();

    REQUIRE(wire.sink.arrivals.size() == 2);
    CHECK(wire.sink.arrivals[0].head_ns == 1024 * 8 + 1000);
    CHECK(wire.sink.arrivals[0].tail_ns == 10 * 1024 * 8 + 1000);
    CHECK(wire.sink.arrivals[1].head_ns == 11 * 1024 * 8 + 1000);
}

TEST_CASE("a full queue takes the packets of an aggregate that still fit") {
    Wire wire({.queue_bytes = 5000});

    wire.link.send(Wire::frame(8, 966));
    wire.link.send(Wire::frame(1, 966));
    wire.run();

    REQUIRE(wire.sink.arrivals.size() == 1);
    CHECK(wire.sink.arrivals[0].segments == 5);
    CHECK(wire.link.counters().queue_drops == 4);
}

TEST_CASE("loss takes single packets out of aggregates, about as many as it should") {
    Wire wire({.queue_bytes = 100'000'000, .loss_ppb = 100'000'000});  // one in ten

    for (int i = 0; i < 1000; ++i) wire.link.send(Wire::frame(10, 100));
    wire.run();

    std::uint64_t arrived = 0, last_head = 0;
    for (const Arrival& arrival : wire.sink.arrivals) {
        arrived += arrival.segments;
        CHECK(arrival.payload_bytes == arrival.segments * 100);
        CHECK(static_cast<std::uint64_t>(arrival.head_ns) >= last_head);
        last_head = static_cast<std::uint64_t>(arrival.head_ns);
    }
    CHECK(arrived + wire.link.counters().loss_drops == 10'000);
    CHECK(arrived > 8'900);
    CHECK(arrived < 9'100);
}

TEST_CASE("what is larger than the MTU does not leave") {
    Wire wire;

    wire.link.send(Wire::frame(1, 1480));
    wire.link.send(Wire::frame(1, 1481));
    wire.run();

    CHECK(wire.sink.arrivals.size() == 1);
    CHECK(wire.link.counters().mtu_drops == 1);
    CHECK(wire.link.counters().largest_packet_bytes == 1500);
}

TEST_CASE("the bytes of a socket are given back when the last packet has left") {
    Wire wire;
    auto budget = std::make_shared<sim::TxBudget>();
    budget->queued_bytes = 9660;
    std::int64_t drained_ns = -1;
    budget->drained = [&] { drained_ns = wire.engine.now_ns(); };
    FramePtr frame = Wire::frame(10, 966);
    frame->budget = budget;
    frame->budget_bytes = 9660;

    wire.link.send(std::move(frame));
    wire.run();

    CHECK(drained_ns == 10 * 1024 * 8);
    CHECK(budget->queued_bytes == 0);
}
