// Sends a DatagramBatch, for one thread: many runs a system call, each run one UDP GSO message.
//
// Where GSO fails, datagrams go one by one and the kernel fragments what is too long: for one run
// if its datagrams do not fit the path's MTU (udp_send_skb(): EMSGSIZE, before Linux 6.10 EINVAL),
// for good if the device cannot compute checksums (EIO, before Linux 6.11).
#pragma once

#include <cstddef>
#include <span>

#include "real/tun/data_path.h"
#include "real/tun/datagram_batch.h"

namespace overlab::real {

class UdpSender {
   public:
    UdpSender(const Fd& socket, const StopSignal& stop, PathTally& tally)
        : socket_(socket), stop_(stop), tally_(tally) {}

    /// In order; waits while the socket's buffer is full. What the kernel refuses is counted.
    void send(const DatagramBatch& batch, std::span<const DatagramBatch::Run> runs);

   private:
    /// Sends some from the front, at least one unless it failed; answers how many, or -1 (errno).
    [[nodiscard]] int send_some(const DatagramBatch& batch,
                                std::span<const DatagramBatch::Run> runs);
    void send_singly(const DatagramBatch& batch, const DatagramBatch::Run& run);
    /// After an error. True: try again the same way.
    [[nodiscard]] bool may_retry(int error) const;

    const Fd& socket_;
    const StopSignal& stop_;
    PathTally& tally_;
    bool gso_works_ = true;
};

}  // namespace overlab::real
