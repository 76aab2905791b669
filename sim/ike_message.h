// IKEv2 messages: what the daemons read (a value, carried as cargo) and what stands on the wire:
// real headers, IKE_SA_INIT payloads that decode, and one Encrypted payload of the right size with
// pseudo-random content for everything after it. Payload lists and sizes are those of
// strongSwan 5.9 with flannel's configuration (docs/ike-model.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/net/address.h"
#include "models/net/wire.h"
#include "sim/frame.h"
#include "sim/ike_crypto.h"

namespace overlab::sim {

enum class IkeExchange : std::uint8_t {
    init,          ///< IKE_SA_INIT
    auth,          ///< IKE_AUTH with the first child SA
    rekey_child,   ///< CREATE_CHILD_SA with REKEY_SA
    rekey_ike,     ///< CREATE_CHILD_SA for the IKE SA itself
    alive,         ///< INFORMATIONAL without payloads: dead peer detection
    delete_child,  ///< INFORMATIONAL with a Delete payload
    delete_ike,
};

/// RFC 7296 §3.10.1.
enum class IkeNotify : std::uint16_t {
    none = 0,
    no_proposal_chosen = 14,
    authentication_failed = 24,
    ts_unacceptable = 38,
    temporary_failure = 43,
    child_sa_not_found = 44,
};
[[nodiscard]] std::string_view to_string(IkeNotify notify);

struct IkeMessage {
    IkeExchange exchange = IkeExchange::init;
    bool response = false;
    bool from_initiator = true;  ///< the sender began the IKE SA
    std::uint64_t initiator_spi = 0, responder_spi = 0;
    std::uint32_t id = 0;
    IkeNotify error = IkeNotify::none;  ///< a response that refuses

    IkeNonce nonce{};               ///< init, rekey_*
    std::uint64_t new_ike_spi = 0;  ///< rekey_ike: the sender's
    std::uint32_t child_spi = 0;    ///< auth, rekey_child: the sender's inbound SPI
    std::uint32_t old_spi = 0;      ///< rekey_child, delete_child: the sender's inbound SPI
    IkeDigest auth{};               ///< auth
    bool initial_contact = false;   ///< auth
    Ipv4Prefix sender_subnet, receiver_subnet;  ///< auth: traffic selectors
    std::string esp_proposal;                   ///< auth, rekey_child: offered or chosen
    const DhGroup* group = nullptr;             ///< rekey_child: of the KE payload, if there is one
};
using IkeMessagePtr = std::shared_ptr<const IkeMessage>;

/// Length in the IKE header: header and payloads.
[[nodiscard]] std::uint32_t message_bytes(const IkeMessage& message);

/// A frame at its UDP header: UDP, the non-ESP marker on port 4500, IKE header, payloads; cargo
/// set.
[[nodiscard]] FramePtr ike_frame(IkeMessagePtr message, std::uint16_t port);

}  // namespace overlab::sim
