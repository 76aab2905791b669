// TcpServer: listens in a pod and reads every connection it accepts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "sim/pod.h"
#include "sim/traffic_readers.h"

namespace overlab::sim {

class TcpServer {
   public:
    /// `accepted` returns what is to happen with the bytes read from that connection.
    using OnRead = std::function<void(std::uint32_t bytes)>;
    using OnAccept = std::function<OnRead(const ns3::Ptr<PodTcpSocket>& connection)>;

    TcpServer(Pod& pod, std::uint16_t port, std::uint32_t flow_id, OnAccept accepted);
    ~TcpServer();

    /// Over all connections so far.
    [[nodiscard]] std::uint64_t retransmitted_segments() const;
    /// The pod has another address: its connections are gone without a word.
    void drop_connections();

   private:
    Pod* pod_;
    OnAccept accepted_;
    ns3::Ptr<PodTcpSocket> listener_;
    struct Connection {
        ns3::Ptr<PodTcpSocket> socket;
        std::unique_ptr<TcpReader> reader;  ///< null once dropped
    };
    void accept(const ns3::Ptr<PodTcpSocket>& socket);

    std::vector<Connection> connections_;
};

}  // namespace overlab::sim
