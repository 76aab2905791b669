#include "real/netlink/attributes.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace overlab::real {

void put_u8(nlmsghdr* message, std::uint16_t type, std::uint8_t value) {
    mnl_attr_put_u8(message, type, value);
}
void put_u16(nlmsghdr* message, std::uint16_t type, std::uint16_t value) {
    mnl_attr_put_u16(message, type, value);
}
void put_u16_be(nlmsghdr* message, std::uint16_t type, std::uint16_t value) {
    mnl_attr_put_u16(message, type, htons(value));
}
void put_u32(nlmsghdr* message, std::uint16_t type, std::uint32_t value) {
    mnl_attr_put_u32(message, type, value);
}
void put_text(nlmsghdr* message, std::uint16_t type, std::string_view text) {
    mnl_attr_put_strz(message, type, std::string(text).c_str());
}
void put_ipv4(nlmsghdr* message, std::uint16_t type, Ipv4Address address) {
    mnl_attr_put_u32(message, type, network_order(address));
}
void put_mac(nlmsghdr* message, std::uint16_t type, MacAddress mac) {
    std::array<std::uint8_t, 6> octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
        octets[i] = static_cast<std::uint8_t>(mac.bits >> (8 * (5 - i)));
    }
    mnl_attr_put(message, type, octets.size(), octets.data());
}
void put_bytes(nlmsghdr* message, std::uint16_t type, std::span<const std::byte> bytes) {
    mnl_attr_put(message, type, bytes.size(), bytes.data());
}

Nest::Nest(nlmsghdr* message, std::uint16_t type) : message_(message), start_(message->nlmsg_len) {
    mnl_attr_nest_start(message, type);
}

Nest::~Nest() {
    auto* const start = reinterpret_cast<nlattr*>(reinterpret_cast<char*>(message_) + start_);
    mnl_attr_nest_end(message_, start);
}

std::uint32_t network_order(Ipv4Address address) { return htonl(address.bits); }
Ipv4Address address_from_network_order(std::uint32_t value) { return {ntohl(value)}; }

Attributes::Attributes(const nlmsghdr& message, std::size_t family_header_size) {
    const std::size_t offset = NLMSG_HDRLEN + NLMSG_ALIGN(family_header_size);
    if (message.nlmsg_len < offset) return;
    bytes_ = {reinterpret_cast<const char*>(&message) + offset, message.nlmsg_len - offset};
}

const nlattr* Attributes::find(std::uint16_t type) const {
    std::size_t at = 0;
    while (at + NLA_HDRLEN <= bytes_.size()) {
        const auto* const attribute = reinterpret_cast<const nlattr*>(bytes_.data() + at);
        if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > bytes_.size()) break;
        if ((attribute->nla_type & NLA_TYPE_MASK) == type) return attribute;
        at += NLA_ALIGN(attribute->nla_len);
    }
    return nullptr;
}

std::span<const char> Attributes::bytes(std::uint16_t type) const {
    const nlattr* const attribute = find(type);
    if (attribute == nullptr) return {};
    return {reinterpret_cast<const char*>(attribute) + NLA_HDRLEN,
            std::size_t{attribute->nla_len} - NLA_HDRLEN};
}

template <typename T>
std::optional<T> Attributes::read(std::uint16_t type) const {
    const std::span<const char> payload = bytes(type);
    if (payload.size() != sizeof(T)) return std::nullopt;
    T value{};
    std::memcpy(&value, payload.data(), sizeof value);
    return value;
}

std::optional<std::uint8_t> Attributes::u8(std::uint16_t type) const {
    return read<std::uint8_t>(type);
}
std::optional<std::uint16_t> Attributes::u16(std::uint16_t type) const {
    return read<std::uint16_t>(type);
}
std::optional<std::uint16_t> Attributes::u16_be(std::uint16_t type) const {
    const auto value = u16(type);
    return value ? std::optional(ntohs(*value)) : std::nullopt;
}
std::optional<std::uint32_t> Attributes::u32(std::uint16_t type) const {
    return read<std::uint32_t>(type);
}
std::optional<std::uint64_t> Attributes::u64(std::uint16_t type) const {
    return read<std::uint64_t>(type);
}

std::string_view Attributes::text(std::uint16_t type) const {
    const std::span<const char> payload = bytes(type);
    const auto end = std::ranges::find(payload, '\0');
    return {payload.begin(), end};
}

std::optional<Ipv4Address> Attributes::ipv4(std::uint16_t type) const {
    const auto value = u32(type);
    if (!value) return std::nullopt;
    return address_from_network_order(*value);
}

std::optional<MacAddress> Attributes::mac(std::uint16_t type) const {
    const auto octets = read<std::array<std::uint8_t, 6>>(type);
    if (!octets) return std::nullopt;
    MacAddress mac;
    for (const std::uint8_t octet : *octets) mac.bits = (mac.bits << 8) | octet;
    return mac;
}

Attributes Attributes::nested(std::uint16_t type) const { return Attributes(bytes(type)); }

}  // namespace overlab::real
