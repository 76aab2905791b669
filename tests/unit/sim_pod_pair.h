// Two pods joined by a pipe, for tests of what runs in pods:
//
//      client 192.0.2.1 ==== rate, delay, MTU, loss of chosen segments ==== server 198.51.100.1
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/cost/cost_profile.h"
#include "sim/engine.h"
#include "sim/host_cpu.h"
#include "sim/ip_packet.h"
#include "sim/pod.h"
#include "sim/traffic.h"

namespace overlab::sim::test {

struct PipeSpec {
    std::uint64_t rate_bps = 10'000'000'000;
    std::int64_t delay_ns = 50'000;
    std::uint64_t queue_bytes = 1'000'000'000;
    std::uint32_t pod_mtu = 1500, pipe_mtu = 9000;
    std::set<std::uint64_t> lost_segments;  ///< numbers of the client's data segments, from 0
    std::uint32_t loss_one_in = 0;          ///< and one in so many, at random
    bool queue_is_remote = false;           ///< the queue is a switch's: small queues do not see it
};

/// One direction. Real segments are lost one by one, and each counts its 38 bytes of framing.
class Pipe final : public PodPort, public FrameSink {
   public:
    Pipe(Engine& engine, HostCpu& cpu, const PipeSpec& spec, Pod& sender, Pod& receiver)
        : engine_(&engine), cpu_(&cpu), spec_(&spec), sender_(&sender), receiver_(&receiver) {}

    void to_host(FramePtr frame) override {
        if (frame->first_size() > spec_->pipe_mtu && ip_dont_fragment(*frame)) {
            const Ipv4Address gateway{0xc0000201 + 253};
            auto error =
                make_icmp_error(*frame, IcmpReason::fragmentation_needed, gateway, spec_->pipe_mtu);
            release(*frame);
            Frame::deliver_at(*engine_, std::move(error), engine_->now_ns() + 1'000, *this, 2);
            return;
        }
        for (FramePtr& piece : survivors(std::move(frame))) enqueue(std::move(piece));
    }
    HostCpu& cpu() override { return *cpu_; }

    void receive(FramePtr frame, std::uint32_t port) override {
        if (port == 2) return sender_->from_host(std::move(frame));
        if (port == 1) return receiver_->from_host(std::move(frame));
        release(*frame);
        Frame::deliver_at(*engine_, std::move(frame), engine_->now_ns() + spec_->delay_ns, *this,
                          1);
    }

    std::uint64_t data_segments = 0, lost = 0, frames = 0;

   private:
    std::vector<FramePtr> survivors(FramePtr frame) {
        std::vector<FramePtr> kept;
        if (frame->payload_bytes == 0) {
            kept.push_back(std::move(frame));
            return kept;
        }
        auto budget = std::exchange(frame->budget, nullptr);
        const std::uint32_t budget_bytes = frame->budget_bytes;
        while (frame != nullptr) {
            const bool gone = is_lost(data_segments++);
            std::uint32_t run = 1;
            while (run < frame->segments && is_lost(data_segments) == gone) {
                ++run;
                ++data_segments;
            }
            FramePtr front = run < frame->segments ? frame->split_front(run) : std::move(frame);
            if (gone) {
                lost += front->segments;
            } else {
                kept.push_back(std::move(front));
            }
        }
        if (budget != nullptr && !kept.empty()) {
            kept.back()->budget = budget;
            kept.back()->budget_bytes = budget_bytes;
        } else if (budget != nullptr) {
            budget->queued_bytes -= budget_bytes;
        }
        return kept;
    }
    bool is_lost(std::uint64_t number) {
        if (spec_->lost_segments.contains(number)) return true;
        if (spec_->loss_one_in == 0) return false;
        return mix64(number * 7919 + 13) % spec_->loss_one_in == 0;
    }
    void enqueue(FramePtr frame) {
        const std::uint64_t bytes = frame->total_size() + frame->segments * 38ULL;
        const std::int64_t start_ns = std::max(engine_->now_ns(), busy_until_ns_);
        const auto backlog = static_cast<std::uint64_t>(start_ns - engine_->now_ns()) *
                             spec_->rate_bps / 8'000'000'000;
        if (spec_->queue_is_remote) release(*frame);
        if (backlog + bytes > spec_->queue_bytes) {
            drop_tail(std::move(frame), backlog);
            return;
        }
        ++frames;
        busy_until_ns_ =
            start_ns + static_cast<std::int64_t>(bytes * 8'000'000'000 / spec_->rate_bps);
        Frame::deliver_at(*engine_, std::move(frame), busy_until_ns_, *this, 0);
    }
    /// As many segments as still fit go on.
    void drop_tail(FramePtr frame, std::uint64_t backlog) {
        const std::uint64_t each = frame->first_size() + 38ULL;
        const std::uint64_t room = spec_->queue_bytes - std::min(spec_->queue_bytes, backlog);
        const auto fit = static_cast<std::uint32_t>(room / each);
        if (fit > 0 && fit < frame->segments) {
            FramePtr front = frame->split_front(fit);
            enqueue(std::move(front));
        }
        lost += frame->segments;
        release(*frame);
    }
    static void release(Frame& frame) {
        const auto budget = std::exchange(frame.budget, nullptr);
        if (budget == nullptr) return;
        budget->queued_bytes -= frame.budget_bytes;
        if (budget->drained) budget->drained();
    }

    Engine* engine_;
    HostCpu* cpu_;
    const PipeSpec* spec_;
    Pod* sender_;
    Pod* receiver_;
    std::int64_t busy_until_ns_ = 0;
};

class PodPair {
   public:
    explicit PodPair(PipeSpec pipe_spec = {}, PodTcpOptions tcp = {}, CostProfile cost = {},
                     bool cpu_enabled = false)
        : spec(std::move(pipe_spec)),
          engine(Engine::install()),
          profile(std::move(cost)),
          client_cpu(engine, profile, 2, cpu_enabled),
          server_cpu(engine, profile, 2, cpu_enabled),
          client(std::make_unique<Pod>(engine, "client", tcp)),
          server(std::make_unique<Pod>(engine, "server", tcp)),
          forward(engine, client_cpu, spec, *client, *server),
          backward_spec{.rate_bps = spec.rate_bps,
                        .delay_ns = spec.delay_ns,
                        .pod_mtu = spec.pod_mtu,
                        .pipe_mtu = spec.pipe_mtu,
                        .lost_segments = {}},
          backward(engine, server_cpu, backward_spec, *server, *client) {
        client->connect(forward);
        server->connect(backward);
    }
    ~PodPair() {
        traffic.clear();
        client.reset();
        server.reset();
        Engine::uninstall();
    }

    void configure() {
        configure_client(Ipv4Address{0xc0000201});
        configure_server(Ipv4Address{0xc6336401});
    }
    void configure_client(Ipv4Address address) {
        client->configured(address, Ipv4Prefix::of(address, 24), Ipv4Address{0xc00002fe},
                           spec.pod_mtu);
    }
    void configure_server(Ipv4Address address) {
        server->configured(address, Ipv4Prefix::of(address, 24), Ipv4Address{0xc63364fe},
                           spec.pod_mtu);
    }

    Traffic& start(const TrafficSpec& traffic_spec, Duration end, std::uint64_t seed = 1) {
        traffic.push_back(std::make_unique<Traffic>(
            traffic_spec, TrafficSetup{.from = client.get(),
                                       .to = server.get(),
                                       .seed = seed,
                                       .index = static_cast<std::uint32_t>(traffic.size()),
                                       .run_end = end,
                                       .series_step = milliseconds(100)}));
        return *traffic.back();
    }
    /// Configures both pods, runs one traffic from 0 to `end`, and returns its report.
    FlowReport run(TrafficSpec traffic_spec, Duration end) {
        configure();
        traffic_spec.start = {};
        Traffic& one = start(traffic_spec, end);
        engine.run_until(end.ns);
        return one.report();
    }

    PipeSpec spec;
    Engine& engine;
    CostProfile profile;
    HostCpu client_cpu, server_cpu;
    std::unique_ptr<Pod> client, server;
    Pipe forward;
    PipeSpec backward_spec;
    Pipe backward;
    std::vector<std::unique_ptr<Traffic>> traffic;
};

/// |a - b| <= b * per_mille / 1000.
inline bool within(std::uint64_t a, std::uint64_t b, std::uint64_t per_mille) {
    return (a > b ? a - b : b - a) * 1000 <= b * per_mille;
}

}  // namespace overlab::sim::test
