// PacketRing: everything that passes one interface, out of a ring of blocks shared with the kernel
// (packet_mmap, TPACKET_V3): no system call and no copy a packet, whole frames, nanoseconds, and
// the direction of each, which libpcap does not tell of Ethernet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "models/base/error.h"
#include "real/base/fd.h"
#include "real/base/netns.h"

namespace overlab::real {

struct SeenPacket {
    std::int64_t wall_ns = 0;  ///< the kernel stamps packets by the wall clock, since 1970
    bool outgoing = false;
    std::span<const std::uint8_t> bytes;  ///< from the Ethernet header on
    std::uint32_t original_bytes = 0;     ///< more than bytes.size() where the packet was cut
};

class PacketRing {
   public:
    static constexpr std::size_t block_bytes = 256 * 1024;  ///< holds the largest aggregate

    /// Packets are kept from now on. `blocks`: the ring's size. Errors: not_found (no such
    /// interface), unavailable.
    [[nodiscard]] static Result<PacketRing> open(const Netns& netns, const std::string& interface,
                                                 std::size_t blocks);
    PacketRing(PacketRing&& other) noexcept;
    PacketRing& operator=(PacketRing&&) = delete;
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;
    ~PacketRing();

    /// Readable when a block is full or a few milliseconds old.
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// Hands over what the kernel has finished, in its order; answers how many packets.
    std::size_t take(const std::function<void(const SeenPacket&)>& each);
    /// No further packets are kept; those in the ring come once more than `retire_ms` have passed.
    void detach();
    static constexpr int retire_ms = 20;
    /// Lost since the last call because the ring was full.
    [[nodiscard]] std::uint64_t take_dropped();

   private:
    PacketRing(Fd fd, std::byte* ring, std::size_t blocks)
        : fd_(std::move(fd)), ring_(ring), blocks_(blocks) {}

    Fd fd_;
    std::byte* ring_;  ///< mapped; ours
    std::size_t blocks_;
    std::size_t next_ = 0;  ///< the block that the kernel finishes next
};

}  // namespace overlab::real
