// What IKEv2's cryptography costs and yields in the model: Diffie-Hellman groups by size and time;
// key derivation with the real prf (HMAC-SHA-256) over nonces, SPIs and the pre-shared key. The
// Diffie-Hellman secret itself is not computed: both ends know everything it would stand for.
// Keys leave this file only as SA keys (and never in text).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/net/address.h"
#include "sim/esp_cipher.h"

namespace overlab::sim {

struct DhGroup {
    std::string_view name;           ///< strongSwan's keyword
    std::uint16_t transform_id = 0;  ///< IANA, "Transform Type 4"
    std::uint16_t public_bytes = 0;  ///< in a KE payload
    Duration operation;  ///< making a key pair, or the secret from the peer's public key
};

/// flannel's IKE proposal is fixed: aes256-sha256-modp4096.
[[nodiscard]] const DhGroup& ike_group();

/// An ESP proposal as flannel takes it (`aes128gcm16-sha256-prfsha256-ecp256`): its group, used
/// when a child SA is rekeyed; null if it names none. Errors: unsupported (another cipher than
/// aes128gcm16, an unknown word).
[[nodiscard]] Result<const DhGroup*> parse_esp_proposal(std::string_view text);

using IkeNonce = std::array<std::uint8_t, 32>;
using IkeDigest = std::array<std::uint8_t, 32>;

/// The exchange that an IKE SA came from.
struct IkeSeed {
    std::uint64_t initiator_spi = 0, responder_spi = 0;
    IkeNonce initiator_nonce{}, responder_nonce{};
};

/// SK_d (RFC 7296 §2.14), the pre-shared key standing in for g^ir.
[[nodiscard]] IkeDigest derive_secret(std::string_view psk, const IkeSeed& seed);
/// SK_d of the IKE SA that a rekey made (§2.18).
[[nodiscard]] IkeDigest rekey_secret(const IkeDigest& old_secret, const IkeSeed& seed);
/// The AUTH payload of the peer with this address (§2.15).
[[nodiscard]] IkeDigest auth_data(std::string_view psk, const IkeSeed& seed, Ipv4Address identity);

struct ChildKeys {
    EspKey to_responder, to_initiator;  ///< of the exchange that made the child
};
/// KEYMAT (§2.17).
[[nodiscard]] ChildKeys derive_child(const IkeDigest& secret, const IkeNonce& initiator_nonce,
                                     const IkeNonce& responder_nonce);

}  // namespace overlab::sim
