#include "real/lab/packet_ring.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "models/base/check.h"

namespace overlab::real {
namespace {

constexpr std::uint32_t nominal_frame_bytes = 2048;  // TPACKET_V3 packs frames of any size

std::unexpected<Error> no_capture(const std::string& interface, const char* what) {
    const int code = errno;
    return fail(code == ENODEV ? ErrorKind::not_found : ErrorKind::unavailable,
                fmt::format("capture on {}: {}: {}", interface, what, std::strerror(code)), code);
}

bool attach(int fd, unsigned interface, std::uint16_t protocol) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = static_cast<int>(interface);
    return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

SeenPacket packet_at(const tpacket3_hdr& header) {
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(&header);
    sockaddr_ll address{};
    std::memcpy(&address, begin + TPACKET_ALIGN(sizeof(tpacket3_hdr)), sizeof address);
    return {.wall_ns = std::int64_t{header.tp_sec} * 1'000'000'000 + header.tp_nsec,
            .outgoing = address.sll_pkttype == PACKET_OUTGOING,
            .bytes = std::span(begin + header.tp_mac, header.tp_snaplen),
            .original_bytes = header.tp_len};
}

}  // namespace

Result<PacketRing> PacketRing::open(const Netns& netns, const std::string& interface,
                                    std::size_t blocks) {
    CHECK(blocks > 0);
    const NetnsScope scope(netns);
    // Protocol 0: nothing is kept before the ring is there.
    Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return no_capture(interface, "packet socket");
    const int version = TPACKET_V3;
    tpacket_req3 request{};
    request.tp_block_size = block_bytes;
    request.tp_block_nr = static_cast<unsigned>(blocks);
    request.tp_frame_size = nominal_frame_bytes;
    request.tp_frame_nr = static_cast<unsigned>(blocks * block_bytes / nominal_frame_bytes);
    request.tp_retire_blk_tov = retire_ms;
    if (::setsockopt(fd.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
        ::setsockopt(fd.get(), SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) {
        return no_capture(interface, "packet ring");
    }
    void* const ring =
        ::mmap(nullptr, blocks * block_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (ring == MAP_FAILED) return no_capture(interface, "mmap");
    PacketRing opened(std::move(fd), static_cast<std::byte*>(ring), blocks);
    const unsigned index = ::if_nametoindex(interface.c_str());
    if (index == 0 || !attach(opened.fd(), index, ETH_P_ALL)) return no_capture(interface, "bind");
    return opened;
}

PacketRing::PacketRing(PacketRing&& other) noexcept
    : fd_(std::move(other.fd_)),
      ring_(std::exchange(other.ring_, nullptr)),
      blocks_(other.blocks_),
      next_(other.next_) {}

PacketRing::~PacketRing() {
    if (ring_ != nullptr) ::munmap(ring_, blocks_ * block_bytes);
}

std::size_t PacketRing::take(const std::function<void(const SeenPacket&)>& each) {
    std::size_t taken = 0;
    for (std::size_t i = 0; i < blocks_; ++i) {
        auto* const block = reinterpret_cast<tpacket_block_desc*>(ring_ + next_ * block_bytes);
        const std::atomic_ref<std::uint32_t> status(block->hdr.bh1.block_status);
        if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) break;
        const auto* at = reinterpret_cast<const char*>(block) + block->hdr.bh1.offset_to_first_pkt;
        for (std::uint32_t n = 0; n < block->hdr.bh1.num_pkts; ++n) {
            const auto& header = *reinterpret_cast<const tpacket3_hdr*>(at);
            each(packet_at(header));
            at += header.tp_next_offset;
            ++taken;
        }
        status.store(TP_STATUS_KERNEL, std::memory_order_release);
        next_ = (next_ + 1) % blocks_;
    }
    return taken;
}

void PacketRing::detach() {
    // Taken off its interface, and bound to no protocol.
    CHECK(attach(fd_.get(), 0, 0));
}

std::uint64_t PacketRing::take_dropped() {
    tpacket_stats_v3 stats{};
    socklen_t size = sizeof stats;
    CHECK(::getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0);
    return stats.tp_drops;
}

}  // namespace overlab::real
