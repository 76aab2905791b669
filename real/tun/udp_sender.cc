#include "real/tun/udp_sender.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "models/net/bytes.h"

namespace overlab::real {
namespace {

constexpr std::size_t messages_a_call = 64;

/// sendmmsg()'s messages with what they point to.
class MessageList {
   public:
    void add(Endpoint to, std::span<std::uint8_t> bytes, std::size_t datagram_bytes) {
        addresses_[count_] = {.sin_family = AF_INET,
                              .sin_port = detail::big_endian(to.port),
                              .sin_addr = {detail::big_endian(to.address.bits)},
                              .sin_zero = {}};
        vectors_[count_] = {bytes.data(), bytes.size()};
        msghdr& message = messages_[count_].msg_hdr;
        message = {};
        message.msg_name = &addresses_[count_];
        message.msg_namelen = sizeof(sockaddr_in);
        message.msg_iov = &vectors_[count_];
        message.msg_iovlen = 1;
        if (bytes.size() > datagram_bytes) add_segment_size(message, datagram_bytes);
        ++count_;
    }
    [[nodiscard]] bool full() const { return count_ == messages_a_call; }
    [[nodiscard]] int send(const Fd& socket) {
        return ::sendmmsg(socket.get(), messages_.data(), static_cast<unsigned>(count_), 0);
    }

   private:
    struct alignas(cmsghdr) Control {
        std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> bytes;
    };

    void add_segment_size(msghdr& message, std::size_t datagram_bytes) {
        message.msg_control = &controls_[count_];
        message.msg_controllen = sizeof(Control);
        cmsghdr* control = CMSG_FIRSTHDR(&message);
        control->cmsg_level = SOL_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
        const auto size = static_cast<std::uint16_t>(datagram_bytes);
        std::memcpy(CMSG_DATA(control), &size, sizeof size);
    }

    std::size_t count_ = 0;
    std::array<mmsghdr, messages_a_call> messages_;
    std::array<sockaddr_in, messages_a_call> addresses_;
    std::array<iovec, messages_a_call> vectors_;
    std::array<Control, messages_a_call> controls_;
};

}  // namespace

bool UdpSender::may_retry(int error) const {
    return error == EINTR || (error == EAGAIN && stop_.wait(socket_, POLLOUT));
}

int UdpSender::send_some(const DatagramBatch& batch, std::span<const DatagramBatch::Run> runs) {
    MessageList messages;
    for (const DatagramBatch::Run& run : runs) {
        messages.add(run.to, batch.payload(run), run.datagram_bytes);
        if (messages.full()) break;
    }
    const int sent = messages.send(socket_);
    tally_.send_calls.add(1);
    for (int i = 0; i < sent; ++i) {
        tally_.sent_packets.add(runs[static_cast<std::size_t>(i)].datagrams);
        tally_.sent_bytes.add(runs[static_cast<std::size_t>(i)].bytes);
    }
    return sent;
}

void UdpSender::send(const DatagramBatch& batch, std::span<const DatagramBatch::Run> runs) {
    while (!runs.empty() && !stop_.stopped()) {
        const DatagramBatch::Run& first = runs.front();
        const bool gso = first.datagrams > 1;
        if (gso && !gso_works_) {
            send_singly(batch, first);
            runs = runs.subspan(1);
            continue;
        }
        const int sent = send_some(batch, runs);
        if (sent > 0) {
            runs = runs.subspan(static_cast<std::size_t>(sent));
            continue;
        }
        const int error = errno;
        if (may_retry(error)) continue;
        if (gso && error == EIO) {
            gso_works_ = false;
        } else if (gso && (error == EINVAL || error == EMSGSIZE)) {
            send_singly(batch, first);
            runs = runs.subspan(1);
        } else {
            tally_.send_failed.add(first.datagrams);
            runs = runs.subspan(1);
        }
    }
}

void UdpSender::send_singly(const DatagramBatch& batch, const DatagramBatch::Run& run) {
    std::span<std::uint8_t> rest = batch.payload(run);
    while (!rest.empty() && !stop_.stopped()) {
        MessageList messages;
        for (auto ahead = rest; !ahead.empty() && !messages.full();) {
            const auto datagram = ahead.first(std::min(run.datagram_bytes, ahead.size()));
            messages.add(run.to, datagram, datagram.size());
            ahead = ahead.subspan(datagram.size());
        }
        const int sent = messages.send(socket_);
        tally_.send_calls.add(1);
        if (sent < 0 && may_retry(errno)) continue;
        // An error is the first datagram's: go on behind it.
        const auto done = static_cast<std::size_t>(sent < 0 ? 1 : sent);
        const std::size_t bytes = std::min(done * run.datagram_bytes, rest.size());
        if (sent < 0) {
            tally_.send_failed.add(1);
        } else {
            tally_.sent_packets.add(done);
            tally_.sent_bytes.add(bytes);
        }
        rest = rest.subspan(bytes);
    }
}

}  // namespace overlab::real
