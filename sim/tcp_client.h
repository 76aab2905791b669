// TcpClient: an application's connection that is made again when it failed or was lost, as a client
// with a retry loop does. It stays the same object over all its sockets.
#pragma once

#include <cstdint>
#include <functional>

#include "sim/alarm.h"
#include "sim/pod.h"

namespace overlab::sim {

class TcpClient {
   public:
    struct Events {
        std::function<void()> connected;  ///< a fresh connection: nothing is in it
        std::function<void()> writable;   ///< there is room in the send buffer
        std::function<void()> lost;       ///< refused, timed out or reset; retries after a second
    };
    struct Target {
        Pod* pod;  ///< its address at the time of connecting
        std::uint16_t port;
    };

    TcpClient(Pod& from, Target to, std::uint32_t flow_id, Events events);
    ~TcpClient();

    /// Null between two connections.
    [[nodiscard]] const ns3::Ptr<PodTcpSocket>& socket() const { return socket_; }
    /// Over all sockets so far.
    [[nodiscard]] std::uint64_t retransmitted_segments() const;
    /// An end has another address: the connection is gone without a word; connects again now.
    void start_over();
    /// Ends it in good order: what is in the send buffer still goes out.
    void finish();

   private:
    void connect();
    void drop();
    void reconnect_later();

    Pod* from_;
    Target to_;
    std::uint32_t flow_id_;
    Events events_;
    ns3::Ptr<PodTcpSocket> socket_;
    bool finished_ = false;
    std::uint64_t retransmitted_before_ = 0;
    Alarm retry_;
};

}  // namespace overlab::sim
