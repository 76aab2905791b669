#include "real/tun/net_unreachable.h"

#include <algorithm>
#include <cstring>

#include "models/net/wire.h"
#include "real/tun/ip_packet.h"

namespace overlab::real {
namespace {

constexpr std::uint8_t default_ttl = 64;

bool is_one_host(Ipv4Address address) {
    const std::uint32_t net = address.bits >> 24;
    return net != 0 && net != 127 && net < 224;  // Multicast, reserved and broadcast lie above.
}

bool may_be_answered(const IpPacket& ip, std::span<const std::uint8_t> packet) {
    if (ip.later_fragment || !is_one_host(ip.source) || ip.destination.bits >> 28 >= 0xe) {
        return false;
    }
    if (ip.protocol != ip_protocol::icmp) return true;
    return packet.size() > ip.header_bytes && packet[ip.header_bytes] == Icmpv4Header::echo_request;
}

}  // namespace

std::optional<NetUnreachable> NetUnreachable::answer_to(std::span<const std::uint8_t> packet) {
    const auto ip = IpPacket::read(packet);
    if (!ip || !may_be_answered(*ip, packet)) return std::nullopt;
    constexpr std::size_t headers = Ipv4Header::bytes + Icmpv4Header::bytes;
    const std::size_t quoted = std::min(packet.size(), longest - headers);

    NetUnreachable answer;
    answer.size_ = headers + quoted;
    const std::span<std::uint8_t> out(answer.bytes_.data(), answer.size_);
    Ipv4Header{.total_length = static_cast<std::uint16_t>(answer.size_),
               .ttl = default_ttl,
               .protocol = ip_protocol::icmp,
               .source = ip->destination,
               .destination = ip->source}
        .encode(out);
    Icmpv4Header{.type = Icmpv4Header::destination_unreachable, .code = Icmpv4Header::network}
        .encode(out.subspan(Ipv4Header::bytes));
    std::memcpy(out.data() + headers, packet.data(), quoted);
    write_icmp_checksum(out.subspan(Ipv4Header::bytes));
    return answer;
}

bool IcmpLimit::allow(std::int64_t now_ns) {
    constexpr std::int64_t token_ns = 1'000'000'000 / per_second;
    const std::int64_t grown = (now_ns - counted_ns_) / token_ns;
    if (grown > 0) {
        tokens_ = std::min(burst, grown >= burst ? burst : tokens_ + grown);
        counted_ns_ += grown * token_ns;
    }
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
}

}  // namespace overlab::real
