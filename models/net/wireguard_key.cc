#include "models/net/wireguard_key.h"

#include <cstddef>

namespace overlab {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t text_length = 44;  // 42 whole characters, one of 4 bits, one '='

std::unexpected<Error> malformed() {
    return fail(ErrorKind::invalid_argument,
                "key: expected 44 base64 characters, as `wg genkey` prints them");
}

}  // namespace

Result<WireguardKey> WireguardKey::parse(std::string_view text) {
    if (text.size() != text_length || text.back() != '=') return malformed();
    text.remove_suffix(1);
    WireguardKey key;
    std::uint32_t bits = 0;
    unsigned count = 0;
    std::size_t at = 0;
    for (const char c : text) {
        const std::size_t value = alphabet.find(c);
        if (value == std::string_view::npos) return malformed();
        bits = (bits << 6) | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        key.bytes[at++] = static_cast<std::uint8_t>(bits >> count);
    }
    // 43 characters are 258 bits: the last two say nothing, and a second spelling of a key would be
    // a second peer.
    if ((bits & 3U) != 0) return malformed();
    return key;
}

std::string WireguardKey::to_string() const {
    std::string text;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const std::uint8_t byte : bytes) {
        bits = (bits << 8) | byte;
        count += 8;
        for (; count >= 6; count -= 6) text += alphabet[(bits >> (count - 6)) & 63U];
    }
    text += alphabet[(bits << (6 - count)) & 63U];
    text += '=';
    return text;
}

std::uint32_t WireguardKey::fingerprint() const {
    // FNV-1a, 32 bits.
    std::uint32_t hash = 2'166'136'261U;
    for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 16'777'619U;
    return hash;
}

}  // namespace overlab
