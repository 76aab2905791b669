// The same workload as peer_stock.h on our simulated hosts, for tests/bench/speed.cc: N hosts on
// one switch, a VXLAN row set for every other host, one pod each, UDP at a constant rate to one
// other pod. No store and no nodes: rows are planned directly, because set-up is not what is
// measured.
#pragma once

#include <cstdint>
#include <memory>

namespace overlab::bench {

struct OverlayOptions {
    std::uint32_t hosts = 16;  ///< at most 4096
    std::uint32_t payload_bytes = 1400;
    std::int64_t interval_ns = 10'000;
    std::uint32_t packets_per_pod = 100;
    bool stacks = false;     ///< pods are ns-3 stacks with UDP sockets, else they only make packets
    bool cpu_model = false;  ///< the peer has none
};

class OverlayLab {
   public:
    explicit OverlayLab(const OverlayOptions& options);
    ~OverlayLab();
    OverlayLab(const OverlayLab&) = delete;
    OverlayLab& operator=(const OverlayLab&) = delete;

    void run();
    [[nodiscard]] std::uint64_t packets_received() const;
    /// As the peer counts: pod to host to switch to host to pod.
    [[nodiscard]] std::uint64_t packet_hops() const { return packets_received() * 4; }

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::bench
