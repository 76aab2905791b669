// DatagramBatch: datagrams lying one after another in one buffer, and how they can be sent: in runs
// of one destination and one length, each a single UDP GSO message (udp(7), UDP_SEGMENT), of which
// only the last datagram may be shorter. The order of datagrams is the order of sending.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "real/tun/endpoint.h"

namespace overlab::real {

class DatagramBatch {
   public:
    static constexpr std::size_t max_datagrams = 64;  ///< UDP_MAX_SEGMENTS before Linux 6.9
    static constexpr std::size_t max_run_bytes = 0xffff - 28;  ///< IPv4's limit, headers included

    struct Run {
        Endpoint to;
        std::size_t offset = 0, bytes = 0;
        std::size_t datagram_bytes = 0;  ///< of the first
        std::size_t datagrams = 0;
        bool open = false;  ///< may grow
    };

    explicit DatagramBatch(std::size_t capacity_bytes)
        : buffer_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity_bytes)),
          capacity_(capacity_bytes) {}

    /// Where the next datagrams are to be written.
    [[nodiscard]] std::span<std::uint8_t> room() {
        return {buffer_.get() + used_, capacity_ - used_};
    }
    /// The first `bytes` of room() are a datagram.
    void commit(Endpoint to, std::size_t bytes);

    [[nodiscard]] bool empty() const { return runs_.empty(); }
    [[nodiscard]] std::size_t bytes() const { return used_; }
    /// In order. All, or all that later datagrams cannot make longer.
    [[nodiscard]] std::span<const Run> runs() const { return runs_; }
    [[nodiscard]] std::span<const Run> finished_runs() const;
    /// Writable only because an iovec is.
    [[nodiscard]] std::span<std::uint8_t> payload(const Run& run) const {
        return {buffer_.get() + run.offset, run.bytes};
    }
    /// Forgets the first `count` runs; what remains moves to the front.
    void remove(std::size_t count);

   private:
    std::unique_ptr<std::uint8_t[]> buffer_;
    std::size_t capacity_, used_ = 0;
    std::vector<Run> runs_;
};

}  // namespace overlab::real
