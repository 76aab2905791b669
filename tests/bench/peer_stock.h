// The peer: the overlay that a user would write with stock ns-3 parts, for tests/bench/speed.cc.
//
//   pod --10G-- host --10G-- ToR --10G-- host --10G-- pod        (4 hops, N hosts, one pod each)
//
// InternetStackHelper on every node, Ipv4StaticRouting (a route to every other host's pods through
// the tunnel device), PointToPoint links, and VXLAN as a VirtualNetDevice whose packets a UDP
// socket carries. No queue discipline. Pods send UDP datagrams from plain sockets at a constant
// rate, each to one other pod.
#pragma once

#include <cstdint>
#include <memory>

namespace overlab::bench {

struct PeerOptions {
    std::uint32_t hosts = 16;  ///< at most 4096
    std::uint32_t payload_bytes = 1400;
    std::int64_t interval_ns = 10'000;  ///< between a pod's datagrams
    std::uint32_t packets_per_pod = 100;
};

/// One simulation. ns-3 has one simulator a process: use one after another, best in children.
class StockPeer {
   public:
    explicit StockPeer(const PeerOptions& options);  ///< builds everything
    ~StockPeer();
    StockPeer(const StockPeer&) = delete;
    StockPeer& operator=(const StockPeer&) = delete;

    void run();
    [[nodiscard]] std::uint64_t packets_received() const;
    /// Links that received packets crossed, all together.
    [[nodiscard]] std::uint64_t packet_hops() const { return packets_received() * 4; }

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::bench
