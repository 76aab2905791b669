// ESP packets with AES-128-GCM and a 16-byte ICV (RFC 4303, RFC 4106; strongSwan's aes128gcm16),
// for captures: the simulator itself moves sizes, not secrets. The explicit IV is the sequence
// number, as RFC 4106 §3.1 permits, so the same run encrypts to the same octets. Tunnel mode with
// IPv4 inside; no extended sequence numbers; no traffic-flow padding.
//
//   SPI(4) sequence(4) | IV(8) | inner packet, 1 2 3.., pad length, next header | ICV(16)
//   \__ authenticated _/         \_______________ encrypted ___________________/
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"

namespace overlab::sim {

/// The keying material of one SA (one direction), RFC 4106 §8.1.
struct EspKey {
    std::array<std::uint8_t, 16> key{};
    std::array<std::uint8_t, 4> salt{};

    friend bool operator==(const EspKey&, const EspKey&) = default;
};

/// The ESP packet for an inner IPv4 packet, from the ESP header to the ICV. spi != 0.
[[nodiscard]] std::vector<std::uint8_t> esp_seal(const EspKey& key, std::uint32_t spi,
                                                 std::uint32_t sequence,
                                                 std::span<const std::uint8_t> inner);

/// The inner packet of an ESP packet. Errors: invalid_argument (cut short, wrong key or altered,
/// wrong padding, not IPv4 inside).
[[nodiscard]] Result<std::vector<std::uint8_t>> esp_open(const EspKey& key,
                                                         std::span<const std::uint8_t> packet);

/// The SA as a line of Wireshark's `esp_sa` table, without a line end, so that it decrypts a
/// capture.
[[nodiscard]] std::string wireshark_esp_sa(Ipv4Address source, Ipv4Address destination,
                                           std::uint32_t spi, const EspKey& key);

}  // namespace overlab::sim
