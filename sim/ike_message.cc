#include "sim/ike_message.h"

#include <algorithm>
#include <span>
#include <utility>

#include "models/base/check.h"
#include "models/base/flat_hash.h"
#include "models/net/bytes.h"

namespace overlab::sim {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// RFC 7296 §3.2.
namespace payload {
constexpr std::uint8_t none = 0, security_association = 33, key_exchange = 34,
                       identity_initiator = 35, identity_responder = 36, nonce = 40, notify = 41,
                       remove = 42, encrypted = 46;
}

/// Status notifies that strongSwan adds to IKE_SA_INIT.
namespace status {
constexpr std::uint16_t nat_source = 16388, nat_destination = 16389, redirect_supported = 16406,
                        childless_supported = 16418, multiple_auth = 16404,
                        fragmentation_supported = 16430, hash_algorithms = 16431;
}

constexpr std::uint32_t generic_header = 4;
constexpr std::uint32_t notify_bytes = 8;  ///< without SPI and data
constexpr std::uint32_t nonce_bytes = generic_header + sizeof(IkeNonce);
constexpr std::uint32_t identity_bytes = 8 + 4;    ///< ID_IPV4_ADDR
constexpr std::uint32_t auth_bytes = 8 + 32;       ///< HMAC-SHA-256
constexpr std::uint32_t selectors_bytes = 8 + 16;  ///< one IPv4 range
constexpr std::uint32_t transform = 8, transform_with_key_length = 12;

/// One proposal: an SPI of `spi` bytes, a cipher with a key length and `others` more transforms.
constexpr std::uint32_t sa_bytes(std::uint32_t spi, std::uint32_t others) {
    return generic_header + 8 + spi + transform_with_key_length + others * transform;
}
constexpr std::uint32_t ike_transforms = 3;  ///< integrity, prf, group

constexpr std::uint32_t key_exchange_bytes(const DhGroup& group) {
    return generic_header + 4 + group.public_bytes;
}

/// AES-CBC with HMAC-SHA-256-128: IV, padding to 16 (one byte says how much), checksum.
constexpr std::uint32_t sealed_bytes(std::uint32_t inner) {
    constexpr std::uint32_t block = 16, iv = 16, checksum = 16;
    return generic_header + iv + (inner + 1 + block - 1) / block * block + checksum;
}

std::uint32_t auth_payloads(const IkeMessage& message) {
    const std::uint32_t child = sa_bytes(4, 1);  // AES-GCM and "no extended sequence numbers"
    const std::uint32_t both = auth_bytes + child + 2 * selectors_bytes +
                               2 * notify_bytes;  // MOBIKE_SUPPORTED, NO_ADDITIONAL_ADDRESSES
    if (message.response) return identity_bytes + both;
    const std::uint32_t contact = message.initial_contact ? notify_bytes : 0;
    // EAP_ONLY_AUTHENTICATION, IKEV2_MESSAGE_ID_SYNC_SUPPORTED
    return 2 * identity_bytes + both + contact + 2 * notify_bytes;
}

std::uint32_t rekey_child_payloads(const IkeMessage& message) {
    const std::uint32_t rekeyed = message.response ? 0 : notify_bytes + 4;
    const std::uint32_t exchange =
        message.group == nullptr ? 0 : key_exchange_bytes(*message.group) + transform;
    return rekeyed + sa_bytes(4, 1) + nonce_bytes + exchange + 2 * selectors_bytes;
}

/// What the Encrypted payload holds, and the type of the first payload in it.
std::pair<std::uint8_t, std::uint32_t> inner_payloads(const IkeMessage& message) {
    if (message.error != IkeNotify::none) return {payload::notify, notify_bytes};
    constexpr std::uint32_t delete_header = 8;
    switch (message.exchange) {
        case IkeExchange::init:
            break;
        case IkeExchange::auth:
            return {message.response ? payload::identity_responder : payload::identity_initiator,
                    auth_payloads(message)};
        case IkeExchange::rekey_child:
            return {message.response ? payload::security_association : payload::notify,
                    rekey_child_payloads(message)};
        case IkeExchange::rekey_ike:
            return {payload::security_association,
                    sa_bytes(8, ike_transforms) + nonce_bytes + key_exchange_bytes(ike_group())};
        case IkeExchange::alive:
            return {payload::none, 0};
        case IkeExchange::delete_child:
            return {payload::remove, delete_header + 4};
        case IkeExchange::delete_ike:
            if (message.response) return {payload::none, 0};
            return {payload::remove, delete_header};
    }
    CHECK(message.exchange != IkeExchange::init);
    return {payload::none, 0};
}

std::uint8_t exchange_type(IkeExchange exchange) {
    switch (exchange) {
        case IkeExchange::init:
            return IkeHeader::ike_sa_init;
        case IkeExchange::auth:
            return IkeHeader::ike_auth;
        case IkeExchange::rekey_child:
        case IkeExchange::rekey_ike:
            return IkeHeader::create_child_sa;
        case IkeExchange::alive:
        case IkeExchange::delete_child:
        case IkeExchange::delete_ike:
            break;
    }
    return IkeHeader::informational;
}

/// Octets that look like ciphertext and are the same in every run.
class Noise {
   public:
    explicit Noise(const IkeMessage& message)
        : state_(mix64(message.initiator_spi ^ mix64(message.responder_spi + message.id)) +
                 (message.response ? 1 : 0)) {}
    std::uint8_t next() {
        if (left_ == 0) {
            word_ = mix64(state_ += 0x9e3779b97f4a7c15U);
            left_ = 8;
        }
        --left_;
        const auto octet = static_cast<std::uint8_t>(word_);
        word_ >>= 8;
        return octet;
    }

   private:
    std::uint64_t state_, word_ = 0;
    unsigned left_ = 0;
};

/// Writes a chain of payloads, each naming the type of the next.
class PayloadWriter {
   public:
    void begin(std::uint8_t type) {
        end();
        if (start_ == nothing) {
            first_ = type;
        } else {
            bytes_[start_] = type;
        }
        start_ = bytes_.size();
        bytes_.resize(start_ + generic_header);
    }
    void be8(std::uint8_t value) { bytes_.push_back(value); }
    void be16(std::uint16_t value) {
        be8(static_cast<std::uint8_t>(value >> 8));
        be8(static_cast<std::uint8_t>(value));
    }
    void copy(std::span<const std::uint8_t> data) {
        bytes_.insert(bytes_.end(), data.begin(), data.end());
    }
    void noise(Noise& from, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) be8(from.next());
    }
    void notify(std::uint16_t type) {
        begin(payload::notify);
        be16(0);  // no protocol, no SPI
        be16(type);
    }
    [[nodiscard]] std::pair<std::uint8_t, Bytes> take() {
        end();
        return {first_, std::move(bytes_)};
    }

   private:
    static constexpr std::size_t nothing = ~std::size_t{0};
    void end() {
        if (start_ == nothing) return;
        store_be16(bytes_.data() + start_ + 2, static_cast<std::uint16_t>(bytes_.size() - start_));
    }

    Bytes bytes_;
    std::size_t start_ = nothing;
    std::uint8_t first_ = payload::none;
};

/// RFC 7296 §3.3: AES-CBC-256, HMAC-SHA-256-128, PRF-HMAC-SHA-256, the group.
void write_ike_proposal(PayloadWriter& out) {
    constexpr std::uint8_t more = 3, last = 0, ike = 1;
    out.begin(payload::security_association);
    out.be16(0);  // the last proposal
    out.be16(static_cast<std::uint16_t>(sa_bytes(0, ike_transforms) - generic_header));
    out.be8(1);
    out.be8(ike);
    out.be8(0);
    out.be8(1 + ike_transforms);
    const auto write = [&](std::uint8_t follows, std::uint8_t type, std::uint16_t id) {
        out.be16(static_cast<std::uint16_t>(follows << 8));
        out.be16(static_cast<std::uint16_t>(type == 1 ? transform_with_key_length : transform));
        out.be16(static_cast<std::uint16_t>(type << 8));
        out.be16(id);
    };
    constexpr std::uint16_t aes_cbc = 12, sha256_128 = 12, prf_sha256 = 5, key_length = 0x800e;
    write(more, 1, aes_cbc);
    out.be16(key_length);
    out.be16(256);
    write(more, 3, sha256_128);
    write(more, 2, prf_sha256);
    write(last, 4, ike_group().transform_id);
}

void write_init(PayloadWriter& out, const IkeMessage& message) {
    Noise noise(message);
    write_ike_proposal(out);
    out.begin(payload::key_exchange);
    out.be16(ike_group().transform_id);
    out.be16(0);
    out.noise(noise, ike_group().public_bytes);
    out.begin(payload::nonce);
    out.copy(message.nonce);
    constexpr std::size_t sha1_bytes = 20;
    for (const std::uint16_t side : {status::nat_source, status::nat_destination}) {
        out.notify(side);
        out.noise(noise, sha1_bytes);
    }
    out.notify(status::fragmentation_supported);
    out.notify(status::hash_algorithms);
    for (std::uint16_t hash = 2; hash <= 5; ++hash)
        out.be16(hash);  // SHA2-256.. identity, RFC 8420
    if (message.response) {
        out.notify(status::childless_supported);
        out.notify(status::multiple_auth);
    } else {
        out.notify(status::redirect_supported);
    }
}

std::pair<std::uint8_t, Bytes> encode_payloads(const IkeMessage& message) {
    PayloadWriter out;
    if (message.exchange == IkeExchange::init) {
        if (message.error != IkeNotify::none) {
            out.notify(static_cast<std::uint16_t>(message.error));
        } else {
            write_init(out, message);
        }
        return out.take();
    }
    Noise noise(message);
    const auto [first, inner] = inner_payloads(message);
    out.begin(payload::encrypted);
    out.noise(noise, sealed_bytes(inner) - generic_header);
    auto [type, bytes] = out.take();
    bytes[0] = first;  // §3.14: of the first payload inside
    return {type, std::move(bytes)};
}

IkeHeader header_of(const IkeMessage& message, std::uint8_t first_payload, std::size_t payloads) {
    IkeHeader header;
    header.initiator_spi = message.initiator_spi;
    header.responder_spi = message.responder_spi;
    header.next_payload = first_payload;
    header.exchange_type = exchange_type(message.exchange);
    header.flags =
        static_cast<std::uint8_t>((message.from_initiator ? IkeHeader::flag_initiator : 0) |
                                  (message.response ? IkeHeader::flag_response : 0));
    header.message_id = message.id;
    header.length = static_cast<std::uint32_t>(IkeHeader::bytes + payloads);
    return header;
}

}  // namespace

std::string_view to_string(IkeNotify notify) {
    switch (notify) {
        case IkeNotify::none:
            return "none";
        case IkeNotify::no_proposal_chosen:
            return "NO_PROPOSAL_CHOSEN";
        case IkeNotify::authentication_failed:
            return "AUTHENTICATION_FAILED";
        case IkeNotify::ts_unacceptable:
            return "TS_UNACCEPTABLE";
        case IkeNotify::temporary_failure:
            return "TEMPORARY_FAILURE";
        case IkeNotify::child_sa_not_found:
            return "CHILD_SA_NOT_FOUND";
    }
    return "unknown";
}

std::uint32_t message_bytes(const IkeMessage& message) {
    if (message.exchange != IkeExchange::init) {
        return IkeHeader::bytes + sealed_bytes(inner_payloads(message).second);
    }
    return static_cast<std::uint32_t>(IkeHeader::bytes + encode_payloads(message).second.size());
}

FramePtr ike_frame(IkeMessagePtr message, std::uint16_t port) {
    const auto [first, payloads] = encode_payloads(*message);
    auto frame = std::make_unique<Frame>();
    frame->payload =
        ns3::Create<ns3::Packet>(payloads.data(), static_cast<std::uint32_t>(payloads.size()));
    frame->payload_bytes = static_cast<std::uint32_t>(payloads.size());
    header_of(*message, first, payloads.size())
        .encode({frame->prepend(IkeHeader::bytes), IkeHeader::bytes});
    constexpr std::size_t marker = 4;  // RFC 3948 §2.2: zero where ESP has its SPI
    if (port == udp_port::ike_nat) store_be32(frame->prepend(marker), 0);
    UdpHeader udp;
    udp.source_port = udp.destination_port = port;
    udp.length =
        static_cast<std::uint16_t>(UdpHeader::bytes + frame->header_bytes() + frame->payload_bytes);
    udp.encode({frame->prepend(UdpHeader::bytes), UdpHeader::bytes});
    frame->cargo = std::move(message);
    return frame;
}

}  // namespace overlab::sim
