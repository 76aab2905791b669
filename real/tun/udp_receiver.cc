#include "real/tun/udp_receiver.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "models/net/bytes.h"

namespace overlab::real {
namespace {

constexpr std::size_t messages_a_call = 16;
/// UDP GRO's runs are at most 64 KiB long. Not a power of two apart, so that the fronts of the
/// buffers, which see most of the traffic when datagrams come singly, do not share cache sets.
constexpr std::size_t buffer_bytes = 0x10000, stride = buffer_bytes + 320;

/// The length of the run's datagrams as the kernel says; 0 if it says nothing.
std::size_t gro_size(msghdr& message) {
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level != SOL_UDP || each->cmsg_type != UDP_GRO) continue;
        int size = 0;
        std::memcpy(&size, CMSG_DATA(each), sizeof size);
        return size > 0 ? static_cast<std::size_t>(size) : 0;
    }
    return 0;
}

}  // namespace

struct UdpReceiver::Buffers {
    struct alignas(cmsghdr) Control {
        std::array<char, CMSG_SPACE(sizeof(int))> bytes;
    };

    Buffers() : memory(std::make_unique_for_overwrite<std::uint8_t[]>(messages_a_call * stride)) {}

    void reset() {
        for (std::size_t i = 0; i < messages_a_call; ++i) {
            vectors[i] = {memory.get() + i * stride, buffer_bytes};
            msghdr& message = messages[i].msg_hdr;
            message = {};
            message.msg_name = &addresses[i];
            message.msg_namelen = sizeof addresses[i];
            message.msg_iov = &vectors[i];
            message.msg_iovlen = 1;
            message.msg_control = &controls[i];
            message.msg_controllen = sizeof controls[i];
        }
    }

    std::unique_ptr<std::uint8_t[]> memory;
    std::array<mmsghdr, messages_a_call> messages{};
    std::array<iovec, messages_a_call> vectors{};
    std::array<sockaddr_in, messages_a_call> addresses{};
    std::array<Control, messages_a_call> controls{};
    std::array<Arrival, messages_a_call> arrivals{};
};

UdpReceiver::UdpReceiver(const Fd& socket)
    : socket_(socket), buffers_(std::make_unique<Buffers>()) {}

UdpReceiver::~UdpReceiver() = default;

std::span<const UdpReceiver::Arrival> UdpReceiver::receive() {
    Buffers& all = *buffers_;
    all.reset();
    const int received =
        ::recvmmsg(socket_.get(), all.messages.data(), messages_a_call, MSG_DONTWAIT, nullptr);
    // An error that is not "nothing there" was pending on the socket (an ICMP) and is gone now.
    if (received <= 0) return {};
    std::size_t count = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(received); ++i) {
        const std::size_t bytes = all.messages[i].msg_len;
        if (bytes == 0) continue;  // An empty datagram is no packet.
        const std::size_t gro = gro_size(all.messages[i].msg_hdr);
        all.arrivals[count++] = {.from = {{detail::big_endian(all.addresses[i].sin_addr.s_addr)},
                                          detail::big_endian(all.addresses[i].sin_port)},
                                 .bytes = {all.memory.get() + i * stride, bytes},
                                 .datagram_bytes = gro == 0 ? bytes : gro};
    }
    return {all.arrivals.data(), count};
}

}  // namespace overlab::real
