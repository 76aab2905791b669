// Receives datagrams, for one thread: many a system call, each possibly a run of datagrams of one
// sender and length that UDP GRO put together (udp(7), UDP_GRO).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "real/base/fd.h"
#include "real/tun/endpoint.h"

namespace overlab::real {

class UdpReceiver {
   public:
    struct Arrival {
        Endpoint from;
        std::span<std::uint8_t> bytes;
        std::size_t datagram_bytes = 0;  ///< of each but the last; at least 1
    };

    explicit UdpReceiver(const Fd& socket);
    ~UdpReceiver();
    UdpReceiver(const UdpReceiver&) = delete;
    UdpReceiver& operator=(const UdpReceiver&) = delete;

    /// What is there, in order of arrival, without waiting; empty if nothing is. Good until the
    /// next call.
    [[nodiscard]] std::span<const Arrival> receive();

   private:
    struct Buffers;
    const Fd& socket_;
    std::unique_ptr<Buffers> buffers_;
};

}  // namespace overlab::real
