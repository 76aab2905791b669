#include "sim/esp_cipher.h"

#include <fmt/format.h>
#include <nettle/gcm.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/net/bytes.h"
#include "models/net/wire.h"

namespace overlab::sim {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t nonce_bytes = 12;  // salt, then the explicit IV: RFC 4106 §4
constexpr std::size_t clear_bytes = EspHeader::bytes + esp_iv_bytes;
constexpr std::size_t smallest_packet = clear_bytes + esp_trailer_bytes(0);
static_assert(nonce_bytes == GCM_IV_SIZE);
static_assert(esp_icv_bytes == GCM_DIGEST_SIZE);

/// A GCM state that has taken in the packet's nonce and the authenticated header.
gcm_aes128_ctx begin(const EspKey& key, Bytes header, Bytes iv) {
    CHECK(header.size() == EspHeader::bytes);
    CHECK(iv.size() == esp_iv_bytes);
    std::array<std::uint8_t, nonce_bytes> nonce;
    std::copy(iv.begin(), iv.end(), std::copy(key.salt.begin(), key.salt.end(), nonce.begin()));

    gcm_aes128_ctx context;
    gcm_aes128_set_key(&context, key.key.data());
    gcm_aes128_set_iv(&context, nonce.size(), nonce.data());
    gcm_aes128_update(&context, header.size(), header.data());
    return context;
}

/// Inner packet and trailer up to the ICV, in the clear.
std::vector<std::uint8_t> padded(Bytes inner) {
    const std::uint8_t pad_length = esp_padding(inner.size()).pad_length;
    std::vector<std::uint8_t> text(inner.begin(), inner.end());
    // RFC 4303 §2.4: the padding counts 1, 2, 3...
    for (std::uint8_t i = 1; i <= pad_length; ++i) text.push_back(i);
    text.push_back(pad_length);
    text.push_back(ip_protocol::ipip);
    return text;
}

std::unexpected<Error> refused(std::uint32_t spi, std::string_view why) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("ESP packet with SPI {:#010x}: {}", spi, why));
}

/// Strips what padded() added.
Result<std::vector<std::uint8_t>> unpadded(std::uint32_t spi, std::vector<std::uint8_t> text) {
    if (text.back() != ip_protocol::ipip) return refused(spi, "no IPv4 packet inside");
    const std::size_t pad_length = text[text.size() - 2];
    if (pad_length + 2 > text.size()) return refused(spi, "more padding than packet");
    const std::size_t inner_bytes = text.size() - 2 - pad_length;
    for (std::size_t i = 0; i < pad_length; ++i) {
        if (text[inner_bytes + i] != i + 1) return refused(spi, "padding does not count 1, 2, 3");
    }
    text.resize(inner_bytes);
    return text;
}

}  // namespace

std::vector<std::uint8_t> esp_seal(const EspKey& key, std::uint32_t spi, std::uint32_t sequence,
                                   Bytes inner) {
    const std::vector<std::uint8_t> text = padded(inner);
    std::vector<std::uint8_t> packet(clear_bytes + text.size() + esp_icv_bytes);
    EspHeader{.spi = spi, .sequence = sequence}.encode(packet);
    store_be64(&packet[EspHeader::bytes], sequence);

    const Bytes clear = Bytes(packet).first(clear_bytes);
    gcm_aes128_ctx context = begin(key, clear.first(EspHeader::bytes), clear.last(esp_iv_bytes));
    gcm_aes128_encrypt(&context, text.size(), &packet[clear_bytes], text.data());
    gcm_aes128_digest(&context, esp_icv_bytes, &packet[clear_bytes + text.size()]);
    return packet;
}

Result<std::vector<std::uint8_t>> esp_open(const EspKey& key, Bytes packet) {
    OVERLAB_TRY(const EspHeader header, EspHeader::decode(packet));
    if (packet.size() < smallest_packet || packet.size() % 4 != 0) {
        return refused(header.spi, fmt::format("{} bytes is no ESP length", packet.size()));
    }
    const Bytes sealed = packet.subspan(clear_bytes, packet.size() - clear_bytes - esp_icv_bytes);
    gcm_aes128_ctx context =
        begin(key, packet.first(EspHeader::bytes), packet.subspan(EspHeader::bytes, esp_iv_bytes));
    std::vector<std::uint8_t> text(sealed.size());
    gcm_aes128_decrypt(&context, sealed.size(), text.data(), sealed.data());
    std::array<std::uint8_t, esp_icv_bytes> icv;
    gcm_aes128_digest(&context, icv.size(), icv.data());
    if (!std::ranges::equal(icv, packet.last(esp_icv_bytes))) {
        return refused(header.spi, "ICV does not match");
    }
    return unpadded(header.spi, std::move(text));
}

std::string wireshark_esp_sa(Ipv4Address source, Ipv4Address destination, std::uint32_t spi,
                             const EspKey& key) {
    return fmt::format(
        R"("IPv4","{}","{}","{:#010x}","AES-GCM with 16 octet ICV [RFC4106]","0x{:02x}{:02x}","NULL","")",
        source.to_string(), destination.to_string(), spi, fmt::join(key.key, ""),
        fmt::join(key.salt, ""));
}

}  // namespace overlab::sim
