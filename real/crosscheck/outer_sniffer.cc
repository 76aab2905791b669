#include "real/crosscheck/outer_sniffer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "models/net/bytes.h"
#include "models/net/wire.h"

namespace overlab::real {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// More than the outer and inner headers of any backend.
constexpr std::uint32_t snapped_bytes = 256;

constexpr std::uint8_t vxlan_first_byte = 0x08;  // the I flag, RFC 7348 §5
constexpr std::uint8_t wireguard_data = 4;       // message_data of drivers/net/wireguard/messages.h
constexpr std::size_t wireguard_empty_bytes = 32;  // header and tag, nothing between them

struct Ipv4Packet {
    Ipv4Header header;
    Bytes body;
};

/// Empty too: a fragment that is not the first.
std::optional<Ipv4Packet> first_part(Bytes bytes) {
    const auto header = Ipv4Header::decode(bytes);
    if (!header || header->fragment_offset != 0) return std::nullopt;
    return Ipv4Packet{*header, bytes.subspan(header->header_bytes)};
}

bool goes_to_probe_port(Bytes udp) {
    return udp.size() >= UdpHeader::bytes && load_be16(udp.data() + 2) == probe_port;
}

bool carries_probe(Bytes bytes) {
    const auto packet = first_part(bytes);
    return packet && packet->header.protocol == ip_protocol::udp &&
           goes_to_probe_port(packet->body);
}

std::optional<std::uint32_t> spi_of(Bytes esp) {
    const auto header = EspHeader::decode(esp);
    return header ? std::optional(header->spi) : std::nullopt;
}

/// VXLAN's VNI, if the frame in it carries the probe.
std::optional<std::uint32_t> vni_of(Bytes vxlan) {
    const auto header = VxlanHeader::decode(vxlan);
    if (!header) return std::nullopt;
    const Bytes frame = vxlan.subspan(VxlanHeader::bytes);
    const auto ethernet = EthernetHeader::decode(frame);
    if (!ethernet || ethernet->ether_type != ether_type::ipv4) return std::nullopt;
    if (!carries_probe(frame.subspan(EthernetHeader::bytes))) return std::nullopt;
    return header->vni;
}

/// The tag of what `udp` carries for the probe; empty if it carries it not.
std::optional<std::uint32_t> tag_in_udp(Bytes udp) {
    if (goes_to_probe_port(udp)) return 0;
    if (udp.size() <= UdpHeader::bytes) return std::nullopt;
    const std::uint16_t port = load_be16(udp.data() + 2);
    const std::uint16_t length = load_be16(udp.data() + 4);
    const Bytes body = udp.subspan(UdpHeader::bytes);
    if (port == udp_port::ike_nat) return spi_of(body);
    if (body.front() == vxlan_first_byte) return vni_of(body);
    if (body.front() == wireguard_data) {
        const bool empty = length <= UdpHeader::bytes + wireguard_empty_bytes;
        return empty ? std::nullopt : std::optional(0U);
    }
    return carries_probe(body) ? std::optional(0U) : std::nullopt;
}

std::optional<std::uint32_t> tag_of(const Ipv4Packet& packet) {
    switch (packet.header.protocol) {
        case ip_protocol::ipip:
            return carries_probe(packet.body) ? std::optional(0U) : std::nullopt;
        case ip_protocol::udp:
            return tag_in_udp(packet.body);
        case ip_protocol::esp:
            return spi_of(packet.body);
        default:
            return std::nullopt;
    }
}

/// Outgoing IPv4 only: if (type == PACKET_OUTGOING && protocol == ETH_P_IP) keep the front.
bool attach_filter(int fd) {
    std::array<sock_filter, 6> code{{
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, PACKET_OUTGOING},
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, ether_type::ipv4},
        {BPF_RET | BPF_K, 0, 0, snapped_bytes},
        {BPF_RET | BPF_K, 0, 0, 0},
    }};
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

std::unexpected<Error> no_sniffer(const std::string& interface, const char* what) {
    const int code = errno;
    const ErrorKind kind = code == ENODEV  ? ErrorKind::not_found
                           : code == EPERM ? ErrorKind::unsupported
                                           : ErrorKind::unavailable;
    return fail(kind, fmt::format("capture on {}: {}: {}", interface, what, std::strerror(code)),
                code);
}

}  // namespace

std::optional<OuterPacket> read_outer(Bytes frame) {
    const auto ethernet = EthernetHeader::decode(frame);
    if (!ethernet || ethernet->ether_type != ether_type::ipv4) return std::nullopt;
    const auto packet = first_part(frame.subspan(EthernetHeader::bytes));
    if (!packet) return std::nullopt;
    const std::optional<std::uint32_t> tag = tag_of(*packet);
    if (!tag) return std::nullopt;
    const Ipv4Header& header = packet->header;
    const bool udp = header.protocol == ip_protocol::udp;
    return OuterPacket{
        .source = header.source,
        .destination = header.destination,
        .protocol = header.protocol,
        .destination_port = udp ? load_be16(packet->body.data() + 2) : std::uint16_t{0},
        .size = header.total_length,
        .dont_fragment = header.dont_fragment,
        .ttl = header.ttl,
        .tag = *tag};
}

Result<OuterSniffer> OuterSniffer::open(const Netns& netns, const std::string& interface) {
    const NetnsScope scope(netns);
    // Protocol 0: nothing is kept before the filter is there.
    Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return no_sniffer(interface, "packet socket");
    if (!attach_filter(fd.get())) return no_sniffer(interface, "filter");
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);  // of ETH_P_IP alone no outgoing packet is shown
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (address.sll_ifindex == 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return no_sniffer(interface, "bind");
    return OuterSniffer(std::move(fd));
}

std::vector<OuterPacket> OuterSniffer::take() {
    std::vector<OuterPacket> found;
    std::array<std::uint8_t, snapped_bytes> frame{};
    for (;;) {
        const ssize_t size = ::recv(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT);
        if (size < 0) return found;
        if (auto outer = read_outer(Bytes(frame).first(static_cast<std::size_t>(size))))
            found.push_back(*outer);
    }
}

}  // namespace overlab::real
