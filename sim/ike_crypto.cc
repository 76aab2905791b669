#include "sim/ike_crypto.h"

#include <fmt/format.h>
#include <nettle/hmac.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/base/check.h"
#include "models/net/bytes.h"

namespace overlab::sim {
namespace {

using Bytes = std::vector<std::uint8_t>;

// One operation on one core of the machine that docs/ike-model.md describes.
constexpr std::array groups{
    DhGroup{"modp2048", 14, 256, microseconds(2'100)},
    DhGroup{"modp3072", 15, 384, microseconds(7'100)},
    DhGroup{"modp4096", 16, 512, microseconds(16'400)},
    DhGroup{"ecp256", 19, 64, microseconds(45)},
    DhGroup{"ecp384", 20, 96, microseconds(740)},
    DhGroup{"ecp521", 21, 132, microseconds(290)},
    DhGroup{"curve25519", 31, 32, microseconds(32)},
};

const DhGroup* find_group(std::string_view name) {
    if (name == "x25519") name = "curve25519";
    const auto* const at = std::find_if(groups.begin(), groups.end(),
                                        [&](const DhGroup& g) { return g.name == name; });
    return at == groups.end() ? nullptr : at;
}

/// Words that change neither sizes nor keys here: an AEAD cipher needs no integrity algorithm, and
/// ESP has no use for a prf.
bool is_neutral(std::string_view word) {
    return word.starts_with("sha") || word.starts_with("prf") || word == "noesn";
}

Bytes prf(std::span<const std::uint8_t> key, std::span<const std::uint8_t> data) {
    hmac_sha256_ctx context;
    hmac_sha256_set_key(&context, key.size(), key.data());
    hmac_sha256_update(&context, data.size(), data.data());
    Bytes digest(SHA256_DIGEST_SIZE);
    hmac_sha256_digest(&context, digest.size(), digest.data());
    return digest;
}

/// RFC 7296 §2.13: T1 | T2 | ..., Tn = prf(key, Tn-1 | seed | n).
Bytes prf_plus(std::span<const std::uint8_t> key, const Bytes& seed, std::size_t wanted) {
    Bytes out, last;
    for (std::uint8_t n = 1; out.size() < wanted; ++n) {
        Bytes data = last;
        data.insert(data.end(), seed.begin(), seed.end());
        data.push_back(n);
        last = prf(key, data);
        out.insert(out.end(), last.begin(), last.end());
    }
    return out;
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void append(Bytes& to, std::span<const std::uint8_t> data) {
    to.insert(to.end(), data.begin(), data.end());
}

void append_be64(Bytes& to, std::uint64_t value) {
    std::array<std::uint8_t, 8> octets{};
    store_be64(octets.data(), value);
    append(to, octets);
}

Bytes nonces_of(const IkeNonce& initiator, const IkeNonce& responder) {
    Bytes both(initiator.begin(), initiator.end());
    append(both, responder);
    return both;
}

Bytes bytes_of(const IkeSeed& seed) {
    Bytes all = nonces_of(seed.initiator_nonce, seed.responder_nonce);
    append_be64(all, seed.initiator_spi);
    append_be64(all, seed.responder_spi);
    return all;
}

IkeDigest digest_of(const Bytes& bytes) {
    CHECK(bytes.size() >= 32);
    IkeDigest digest;
    std::copy_n(bytes.begin(), digest.size(), digest.begin());
    return digest;
}

}  // namespace

const DhGroup& ike_group() {
    const DhGroup* const group = find_group("modp4096");
    CHECK(group != nullptr);
    return *group;
}

Result<const DhGroup*> parse_esp_proposal(std::string_view text) {
    const DhGroup* group = nullptr;
    bool cipher = false;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('-', begin), text.size());
        const std::string_view word = text.substr(begin, end - begin);
        begin = end + 1;
        if (word == "aes128gcm16" || word == "aes128gcm128") {
            cipher = true;
        } else if (const DhGroup* const found = find_group(word)) {
            group = found;
        } else if (!is_neutral(word)) {
            return fail(ErrorKind::unsupported,
                        fmt::format("ESP proposal {}: simulated hosts do not know `{}`; they "
                                    "encrypt with aes128gcm16",
                                    text, word));
        }
    }
    if (!cipher) {
        return fail(ErrorKind::unsupported,
                    fmt::format("ESP proposal {}: names no cipher; simulated hosts encrypt with "
                                "aes128gcm16",
                                text));
    }
    return group;
}

IkeDigest derive_secret(std::string_view psk, const IkeSeed& seed) {
    // SKEYSEED = prf(Ni | Nr, g^ir); SK_d is the first part of prf+(SKEYSEED, Ni | Nr | SPIi |
    // SPIr).
    const Bytes skeyseed =
        prf(nonces_of(seed.initiator_nonce, seed.responder_nonce), as_bytes(psk));
    return digest_of(prf_plus(skeyseed, bytes_of(seed), 32));
}

IkeDigest rekey_secret(const IkeDigest& old_secret, const IkeSeed& seed) {
    const Bytes skeyseed = prf(old_secret, nonces_of(seed.initiator_nonce, seed.responder_nonce));
    return digest_of(prf_plus(skeyseed, bytes_of(seed), 32));
}

IkeDigest auth_data(std::string_view psk, const IkeSeed& seed, Ipv4Address identity) {
    const Bytes padded = prf(as_bytes(psk), as_bytes("Key Pad for IKEv2"));
    Bytes signed_octets = bytes_of(seed);
    append_be64(signed_octets, identity.bits);
    return digest_of(prf(padded, signed_octets));
}

ChildKeys derive_child(const IkeDigest& secret, const IkeNonce& initiator_nonce,
                       const IkeNonce& responder_nonce) {
    constexpr std::size_t key = 16, salt = 4;
    const Bytes keymat =
        prf_plus(secret, nonces_of(initiator_nonce, responder_nonce), 2 * (key + salt));
    ChildKeys keys;
    auto at = keymat.begin();
    for (EspKey* const one : {&keys.to_responder, &keys.to_initiator}) {
        std::copy_n(at, key, one->key.begin());
        std::copy_n(at + key, salt, one->salt.begin());
        at += key + salt;
    }
    return keys;
}

}  // namespace overlab::sim
