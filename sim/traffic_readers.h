// Receiving applications: they take data out of a socket no faster than their core allows, so that
// a slow reader closes a TCP window and overflows a UDP buffer.
#pragma once

#include <ns3/packet.h>
#include <ns3/socket.h>

#include <cstdint>
#include <functional>

#include "sim/alarm.h"
#include "sim/pod.h"

namespace overlab::sim {

/// Reads a TCP connection.
class TcpReader {
   public:
    /// `on_read(bytes)` runs when a read has returned. `socket` is connected.
    TcpReader(Pod& pod, ns3::Ptr<PodTcpSocket> socket, std::function<void(std::uint32_t)> on_read);
    ~TcpReader();

    /// The peer sends no more: close the connection when everything has been read.
    void close_when_read();

   private:
    static constexpr std::uint32_t most_read_bytes = 65'536;  // one aggregate, as GRO builds them

    void wake();
    void read(std::int64_t ready_ns);
    void read_done();

    Pod* pod_;
    ns3::Ptr<PodTcpSocket> socket_;
    std::function<void(std::uint32_t)> on_read_;
    unsigned core_;
    bool reading_ = false, close_when_read_ = false;
    std::uint32_t bytes_ = 0;
    Alarm alarm_;
};

/// Reads datagrams one by one.
class UdpReader {
   public:
    using Handler = std::function<void(ns3::Ptr<ns3::Packet> datagram, const ns3::Address& from)>;
    /// `flow_hash` of the datagrams that will come chooses the core.
    UdpReader(Pod& pod, ns3::Ptr<ns3::Socket> socket, std::uint64_t flow_hash, Handler on_read);
    ~UdpReader();

   private:
    void wake();
    void read(std::int64_t ready_ns);

    Pod* pod_;
    ns3::Ptr<ns3::Socket> socket_;
    Handler on_read_;
    unsigned core_;
    bool reading_ = false;
    ns3::Ptr<ns3::Packet> datagram_;
    ns3::Address from_;
    Alarm alarm_;
};

}  // namespace overlab::sim
