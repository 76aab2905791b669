#include "sim/kv_messages.h"

#include <bit>

namespace overlab::sim {
namespace {

// Frames (RFC 9113 §4.1: 9 bytes each) and gRPC's 5-byte message prefix.
constexpr std::uint32_t frame_header = 9;
constexpr std::uint32_t data = frame_header + 5;
/// Request headers once HPACK's dynamic table knows them: eight indexed fields and a grpc-timeout.
constexpr std::uint32_t request_headers = frame_header + 18;
/// `:status` and content-type before the message, grpc-status and grpc-message after it.
constexpr std::uint32_t response_headers = 2 * frame_header + 4;

constexpr std::uint32_t varint(std::uint64_t value) {
    return (static_cast<std::uint32_t>(std::bit_width(value | 1)) + 6) / 7;
}

/// Tag and value; protocol buffers leave out zeros.
std::uint32_t number(std::int64_t value) {
    return value == 0 ? 0 : 1 + varint(static_cast<std::uint64_t>(value));
}

/// etcd draws lease ids at random from 63 bits; ours count up.
std::uint32_t lease_number(KvLeaseId lease) { return lease.value == 0 ? 0 : 10; }

/// Tag, length and that many bytes: strings and nested messages.
std::uint32_t nested(std::size_t bytes) {
    return 1 + varint(bytes) + static_cast<std::uint32_t>(bytes);
}

/// ResponseHeader: cluster_id and member_id are random 64-bit numbers, raft_term is small.
std::uint32_t header(Revision revision) { return nested(11 + 11 + number(revision) + 2); }

std::uint32_t body_bytes(const KeyValue& entry) {
    return nested(entry.key.size()) + number(entry.create_revision) + number(entry.mod_revision) +
           number(entry.version) + nested(entry.value.size()) + lease_number(entry.lease);
}

std::uint32_t body_bytes(const KvRequest::Range& range) {
    return nested(range.prefix.size()) + nested(range.prefix.size());  // key and range_end
}

std::uint32_t body_bytes(const KvTxn& txn) {
    constexpr std::uint32_t target = 2;
    std::uint32_t bytes = 0;
    for (const KvCompare& compare : txn.compares) {
        bytes += nested(target + nested(compare.key.size()) + 1 +
                        varint(static_cast<std::uint64_t>(compare.equals)));
        bytes += nested(nested(nested(compare.key.size())));  // the range of the else branch
    }
    for (const KvPut& put : txn.puts) {
        bytes += nested(
            nested(nested(put.key.size()) + nested(put.value.size()) + lease_number(put.lease)));
    }
    for (const KvDelete& removal : txn.deletes) bytes += nested(nested(nested(removal.key.size())));
    return bytes;
}

std::uint32_t body_bytes(const KvRequest::Grant& grant) {
    return number(grant.ttl.ns / 1'000'000'000);
}
std::uint32_t body_bytes(const KvRequest::KeepAlive& alive) { return lease_number(alive.lease); }
std::uint32_t body_bytes(const KvRequest::Revoke& revoke) { return lease_number(revoke.lease); }
std::uint32_t body_bytes(const KvRequest::CancelWatch&) { return nested(2); }
std::uint32_t body_bytes(const KvRequest::Watch& watch) {
    return nested(2 * nested(watch.prefix.size()) + number(watch.from));
}

/// gRPC puts an error's text into the trailers.
std::uint32_t body_bytes(const Error& error) {
    return static_cast<std::uint32_t>(error.what.size()) + 8;
}

std::uint32_t entries_bytes(const std::vector<KeyValuePtr>& entries) {
    std::uint32_t bytes = 0;
    for (const KeyValuePtr& entry : entries) bytes += nested(body_bytes(*entry));
    return bytes;
}

std::uint32_t body_bytes(const KvRange& range) {
    return header(range.revision) + entries_bytes(range.entries) +
           number(static_cast<std::int64_t>(range.entries.size()));
}

std::uint32_t body_bytes(const KvTxnResult& result) {
    return header(result.revision) + 2 + entries_bytes(result.current);
}

std::uint32_t body_bytes(KvLeaseId lease) { return header(0) + lease_number(lease) + 4; }
std::uint32_t body_bytes(Duration ttl) { return header(0) + 10 + number(ttl.ns / 1'000'000'000); }
std::uint32_t body_bytes(Revision revision) { return header(revision); }

std::uint32_t reply_bytes(const KvResponse& response) {
    return std::visit(
        [](const auto& result) {
            return response_headers + data +
                   (result ? body_bytes(*result) : body_bytes(result.error()));
        },
        response.body);
}

std::uint32_t reply_bytes(const KvWatchResponse& response) {
    constexpr std::uint32_t watch_id = 2, created = 2, cancelled = 2 + 8 + 24;
    if (!response.batch) return data + header(0) + watch_id + cancelled;
    if (*response.batch == nullptr) return data + header(0) + watch_id + created;
    return data + header((*response.batch)->update.revision) + watch_id + (*response.batch)->bytes;
}

}  // namespace

std::uint32_t encoded_bytes(const KvEvent& event) {
    constexpr std::uint32_t type_delete = 2;
    return nested(nested(body_bytes(*event.entry)) +
                  (event.type == KvEvent::Type::remove ? type_delete : 0));
}

std::uint32_t message_bytes(const KvRequest& request) {
    return request_headers + data +
           std::visit([](const auto& body) { return body_bytes(body); }, request.body);
}

std::uint32_t message_bytes(const KvReply& reply) {
    return std::visit([](const auto& body) { return reply_bytes(body); }, reply);
}

}  // namespace overlab::sim
