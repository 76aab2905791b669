// CostPredictor: the throughput and latency that a cost profile implies, in closed form, for tests
// that compare profiles with published cells and the simulation with the closed form.
//
// One flow is bound by its busiest core: the payload of one aggregate over what that core spends on
// it. The cores and stages are those of docs/host-cpu-model.md. Queues, losses, TCP's dynamics and
// the link's rate are left out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "models/cost/cost_profile.h"
#include "models/cost/flow_mix.h"

namespace overlab::test {

enum class Path : std::uint8_t {
    bare_metal,  ///< no pod: neither veth, bridge nor forwarding
    host_gw,
    vxlan,
    ipsec,
    udp
};

class CostPredictor {
   public:
    CostPredictor(const CostProfile& profile, Path path, std::uint32_t mtu)
        : profile_(profile), path_(path), mss_(mtu - mtu_overhead() - tcp_ip_bytes) {
        segments_ = std::min(profile.max_aggregate_segments,
                             (max_packet_bytes - tcp_ip_bytes - tunnel_bytes) / mss_);
    }

    /// Gbit/s of one TCP flow, or of `flows` flows through one tunnel (that only differs for ESP).
    [[nodiscard]] double tcp_gbps(unsigned flows = 1) const {
        const std::int64_t busiest =
            path_ == Path::udp
                ? proxy_ns()
                : std::max(
                      {sender_ns(tcp()), softirq_ns(tcp(), flows) + acks_ns(flows), app_ns(tcp())});
        return static_cast<double>(segments_) * mss_ * 8.0 / static_cast<double>(busiest);
    }

    /// What a UDP packet costs the busiest core when it fills the overlay's MTU.
    [[nodiscard]] std::int64_t udp_packet_ns() const {
        const Load one = load(1, mss_ + tcp_ip_bytes);
        return std::max({sender_ns(one), softirq_ns(one, 1), app_ns(one)});
    }

    /// Round trip of `payload` bytes over UDP between idle hosts, `wire_ns` one way.
    [[nodiscard]] std::int64_t round_trip_ns(std::uint32_t payload, std::int64_t wire_ns) const {
        const Load one = load(1, payload + udp_ip_bytes);
        return 2 *
               (sender_ns(one) + wire_ns + softirq_ns(one, 1) + app_ns(one) + profile_.wakeup_ns);
    }

   private:
    static constexpr std::uint32_t tcp_ip_bytes = 52;  // with time stamps
    static constexpr std::uint32_t udp_ip_bytes = 28;
    static constexpr std::uint32_t max_packet_bytes = 65535;
    static constexpr std::uint32_t tunnel_bytes = 50;
    static constexpr std::uint32_t ethernet_bytes = 14;

    struct Load {
        std::uint32_t segments;
        std::uint64_t inner, outer;  ///< bytes of all segments, as IP packets and as frames
    };

    [[nodiscard]] Load load(std::uint32_t segments, std::uint64_t packet_bytes) const {
        return {segments, segments * packet_bytes,
                segments * (packet_bytes + ethernet_bytes + wire_overhead())};
    }
    [[nodiscard]] Load tcp() const { return load(segments_, mss_ + tcp_ip_bytes); }

    [[nodiscard]] std::uint32_t mtu_overhead() const {
        switch (path_) {
            case Path::vxlan:
                return 50;
            case Path::ipsec:
                return 77;
            case Path::udp:
                return 28;
            default:
                return 0;
        }
    }
    [[nodiscard]] std::uint32_t wire_overhead() const {
        return path_ == Path::ipsec ? 56 : mtu_overhead();
    }

    [[nodiscard]] std::int64_t cost(CostStage stage, std::uint32_t aggregates,
                                    std::uint32_t segments, std::uint64_t bytes) const {
        return profile_.cost_ns(
            stage, Batch{.aggregates = aggregates, .segments = segments, .bytes = bytes});
    }
    [[nodiscard]] std::int64_t pod_path_ns(const Load& load, std::uint32_t aggregates) const {
        std::int64_t sum = cost(CostStage::pod_stack, aggregates, load.segments, load.inner);
        if (path_ == Path::bare_metal) return sum;
        sum += cost(CostStage::veth_bridge, aggregates, load.segments, load.inner);
        return sum + cost(CostStage::route, aggregates, load.segments, load.inner);
    }
    [[nodiscard]] std::int64_t to_nic_ns(const Load& load) const {
        std::int64_t sum = pod_path_ns(load, 1);
        if (path_ == Path::vxlan) sum += cost(CostStage::vxlan_encap, 1, load.segments, load.inner);
        if (path_ == Path::ipsec) sum += cost(CostStage::esp_encrypt, 1, load.segments, load.inner);
        return sum + cost(CostStage::nic_tx, 1, load.segments, load.outer);
    }
    [[nodiscard]] std::int64_t sender_ns(const Load& load) const {
        return cost(CostStage::app_send, 1, load.segments, load.inner) + to_nic_ns(load);
    }
    [[nodiscard]] std::uint32_t pieces(const Load& load, unsigned flows) const {
        return path_ == Path::ipsec ? FlowMix::pieces(load.segments, flows) : 1;
    }
    [[nodiscard]] std::int64_t softirq_ns(const Load& load, unsigned flows) const {
        std::int64_t sum = cost(CostStage::nic_rx, 1, load.segments, load.outer);
        if (path_ == Path::vxlan) sum += cost(CostStage::vxlan_decap, 1, load.segments, load.outer);
        if (path_ == Path::ipsec) sum += cost(CostStage::esp_decrypt, 1, load.segments, load.outer);
        return sum + pod_path_ns(load, pieces(load, flows));
    }
    /// TCP acknowledges a piece of two segments or more at once, and every second single one; that
    /// work falls on the receiving core.
    [[nodiscard]] std::int64_t acks_ns(unsigned flows) const {
        const std::uint32_t count = pieces(tcp(), flows), size = segments_ / count;
        const std::uint32_t larger = segments_ % count;
        const std::uint32_t halves = (count - larger) * (size >= 2 ? 2 : 1) + larger * 2;
        return to_nic_ns(load(1, tcp_ip_bytes)) * halves / 2;
    }
    [[nodiscard]] std::int64_t app_ns(const Load& load) const {
        return cost(CostStage::app_receive, 1, load.segments, load.inner);
    }
    /// The receiving proxy: every segment alone, and an acknowledgement for every second.
    [[nodiscard]] std::int64_t proxy_ns() const {
        const Load one = load(1, mss_ + tcp_ip_bytes), ack = load(1, tcp_ip_bytes);
        const std::int64_t segment =
            cost(CostStage::proxy_receive, 1, 1, one.inner) + pod_path_ns(one, 1);
        const std::int64_t answer = pod_path_ns(ack, 1) +
                                    cost(CostStage::proxy_send, 1, 1, ack.inner) +
                                    cost(CostStage::nic_tx, 1, 1, ack.outer);
        return segments_ * segment + segments_ * answer / 2;
    }

    const CostProfile& profile_;
    Path path_;
    std::uint32_t mss_;
    std::uint32_t segments_ = 1;
};

}  // namespace overlab::test
