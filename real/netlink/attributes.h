// Netlink attributes: written into a message, read out of one. Addresses are in network order on
// this wire; numbers in the machine's own unless the attribute says otherwise.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "models/net/address.h"

namespace overlab::real {

void put_u8(nlmsghdr* message, std::uint16_t type, std::uint8_t value);
void put_u16(nlmsghdr* message, std::uint16_t type, std::uint16_t value);
void put_u16_be(nlmsghdr* message, std::uint16_t type, std::uint16_t value);
void put_u32(nlmsghdr* message, std::uint16_t type, std::uint32_t value);
void put_text(nlmsghdr* message, std::uint16_t type, std::string_view text);  ///< with a final zero
void put_ipv4(nlmsghdr* message, std::uint16_t type, Ipv4Address address);
void put_mac(nlmsghdr* message, std::uint16_t type, MacAddress mac);
void put_bytes(nlmsghdr* message, std::uint16_t type, std::span<const std::byte> bytes);

/// An attribute that holds others: all that is put into the message until the end of the scope.
class Nest {
   public:
    Nest(nlmsghdr* message, std::uint16_t type);
    ~Nest();
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    nlmsghdr* message_;
    std::size_t start_;
};

/// A family header's bytes as host value.
[[nodiscard]] std::uint32_t network_order(Ipv4Address address);
[[nodiscard]] Ipv4Address address_from_network_order(std::uint32_t value);

/// The attributes of a message or of a nest. Points into the message. Unknown types are skipped; of
/// attributes that come twice the first counts. Reads of a wrong size answer as if absent.
class Attributes {
   public:
    Attributes() = default;
    Attributes(const nlmsghdr& message, std::size_t family_header_size);

    [[nodiscard]] bool has(std::uint16_t type) const { return find(type) != nullptr; }
    [[nodiscard]] std::optional<std::uint8_t> u8(std::uint16_t type) const;
    [[nodiscard]] std::optional<std::uint16_t> u16(std::uint16_t type) const;
    [[nodiscard]] std::optional<std::uint16_t> u16_be(std::uint16_t type) const;
    [[nodiscard]] std::optional<std::uint32_t> u32(std::uint16_t type) const;
    [[nodiscard]] std::optional<std::uint64_t> u64(std::uint16_t type) const;
    [[nodiscard]] std::string_view text(std::uint16_t type) const;  ///< empty if absent
    [[nodiscard]] std::optional<Ipv4Address> ipv4(std::uint16_t type) const;
    [[nodiscard]] std::optional<MacAddress> mac(std::uint16_t type) const;
    [[nodiscard]] std::span<const char> bytes(std::uint16_t type) const;  ///< empty if absent
    [[nodiscard]] Attributes nested(std::uint16_t type) const;  ///< of an absent one: none

   private:
    explicit Attributes(std::span<const char> bytes) : bytes_(bytes) {}
    [[nodiscard]] const nlattr* find(std::uint16_t type) const;
    template <typename T>
    [[nodiscard]] std::optional<T> read(std::uint16_t type) const;

    std::span<const char> bytes_;
};

/// The family header of a message that came from the kernel; empty if the message is too short.
template <typename T>
[[nodiscard]] const T* family_header_of(const nlmsghdr& message) {
    if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(&message) + NLMSG_HDRLEN);
}

}  // namespace overlab::real
