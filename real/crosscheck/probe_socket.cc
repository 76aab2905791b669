#include "real/crosscheck/probe_socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "models/base/check.h"
#include "models/net/wire.h"

namespace overlab::real {
namespace {

constexpr std::uint32_t header_bytes = Ipv4Header::bytes + UdpHeader::bytes;
static_assert(ProbeSocket::least_size == header_bytes + sizeof(std::uint64_t));

std::unexpected<Error> no_probe(const char* what) {
    const int code = errno;
    return fail(ErrorKind::unavailable, fmt::format("probe: {}: {}", what, std::strerror(code)),
                code);
}

sockaddr_in socket_address(Ipv4Address address, std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(address.bits);
    to.sin_port = htons(port);
    return to;
}

bool set_option(const Fd& fd, int option, int value) {
    return ::setsockopt(fd.get(), IPPROTO_IP, option, &value, sizeof value) == 0;
}

Result<Fd> bound_socket(std::uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_in own = socket_address({}, port);
    if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
        return no_probe("socket");
    return fd;
}

/// What the socket's error queue holds: the kernel's note, and the probe that it is about.
struct Note {
    sock_extended_err error{};
    Ipv4Address from;
    std::optional<std::uint64_t> number;  ///< as far as the packet was quoted
};

void read_control(const cmsghdr& control, Note& note) {
    if (control.cmsg_level != IPPROTO_IP || control.cmsg_type != IP_RECVERR) return;
    const auto* const data = CMSG_DATA(&control);
    std::memcpy(&note.error, data, sizeof note.error);
    sockaddr_in offender{};
    if (control.cmsg_len < CMSG_LEN(sizeof note.error + sizeof offender)) return;
    std::memcpy(&offender, data + sizeof note.error, sizeof offender);
    note.from = {ntohl(offender.sin_addr.s_addr)};
}

std::optional<Note> next_note(int fd) {
    std::uint64_t number = 0;
    alignas(cmsghdr) std::array<char, 256> control{};
    iovec bytes{.iov_base = &number, .iov_len = sizeof number};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    Note note;
    if (size == sizeof number) note.number = number;
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each))
        read_control(*each, note);
    return note;
}

}  // namespace

Result<ProbeSocket> ProbeSocket::open(const Netns& pod) {
    const NetnsScope scope(pod);
    OVERLAB_TRY(Fd sender, bound_socket(probe_source_port));
    OVERLAB_TRY(Fd receiver, bound_socket(probe_port));
    if (!set_option(sender, IP_RECVERR, 1)) return no_probe("IP_RECVERR");
    return ProbeSocket(std::move(sender), std::move(receiver));
}

void ProbeSocket::drain() {
    while (next_note(sender_.get())) {
    }
    int error = 0;  // which the next send would be refused with
    socklen_t size = sizeof error;
    (void)::getsockopt(sender_.get(), SOL_SOCKET, SO_ERROR, &error, &size);  // it cannot fail
}

Result<std::optional<ProbeOutcome>> ProbeSocket::send(const ProbePacket& packet,
                                                      std::uint64_t number) {
    CHECK(packet.size >= least_size);
    CHECK(packet.ttl > 0);
    // As the bits say and no more: IP_PMTUDISC_WANT would clear DF where it knows of a smaller MTU.
    const int discovery = packet.dont_fragment ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
    if (!set_option(sender_, IP_MTU_DISCOVER, discovery) ||
        !set_option(sender_, IP_TTL, packet.ttl))
        return no_probe("options");
    std::vector<char> payload(packet.size - header_bytes);
    std::memcpy(payload.data(), &number, sizeof number);
    const sockaddr_in to = socket_address(packet.destination, probe_port);
    if (::sendto(sender_.get(), payload.data(), payload.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to), sizeof to) >= 0)
        return std::nullopt;
    if (errno != EMSGSIZE) return no_probe("send");
    const std::optional<Note> note = next_note(sender_.get());
    ProbeOutcome outcome{.end = ProbeOutcome::End::icmp,
                         .icmp_type = Icmpv4Header::destination_unreachable,
                         .icmp_code = Icmpv4Header::fragmentation_needed};
    if (note) outcome.icmp_mtu = note->error.ee_info;
    return outcome;
}

std::optional<ProbeOutcome> ProbeSocket::read_answer(std::uint64_t number) {
    while (const std::optional<Note> note = next_note(sender_.get())) {
        if (note->error.ee_origin != SO_EE_ORIGIN_ICMP) continue;
        if (note->number && *note->number != number) continue;
        const bool too_big = note->error.ee_type == Icmpv4Header::destination_unreachable &&
                             note->error.ee_code == Icmpv4Header::fragmentation_needed;
        return ProbeOutcome{.end = ProbeOutcome::End::icmp,
                            .icmp_type = note->error.ee_type,
                            .icmp_code = note->error.ee_code,
                            .icmp_from = note->from,
                            .icmp_mtu = too_big ? note->error.ee_info : 0};
    }
    return std::nullopt;
}

bool ProbeSocket::read_arrival(std::uint64_t number) {
    bool arrived = false;
    for (std::uint64_t got = 0;;) {
        const ssize_t size = ::recv(receiver_.get(), &got, sizeof got, MSG_DONTWAIT);
        if (size < 0) return arrived;
        arrived = arrived || (size == sizeof got && got == number);
    }
}

}  // namespace overlab::real
