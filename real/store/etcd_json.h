// The messages of etcd v3's JSON gateway that a client sends and reads: keys and values in base64,
// 64-bit numbers as strings, absent fields for zeros (proto3's JSON mapping).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/ports/kv_store.h"

namespace overlab::real {

[[nodiscard]] std::string base64_encode(std::string_view bytes);
/// Empty if `text` is no padded standard base64 (RFC 4648 §4).
[[nodiscard]] std::optional<std::string> base64_decode(std::string_view text);

/// etcd's [key, end) for all keys with a prefix; an end of one zero byte means "to the last key".
struct KeyInterval {
    std::string key, end;
};
[[nodiscard]] KeyInterval prefix_interval(const std::string& prefix);

[[nodiscard]] std::string range_request(const std::string& prefix);
/// Asks for nothing but the header, which has the store's revision.
[[nodiscard]] std::string revision_request();
[[nodiscard]] std::string txn_request(const KvTxn& txn);
[[nodiscard]] std::string grant_request(std::int64_t ttl_s);
/// For keep-alive and revocation.
[[nodiscard]] std::string lease_request(KvLeaseId lease);
[[nodiscard]] std::string compaction_request(Revision revision);
/// `from` 0: from the next revision on.
[[nodiscard]] std::string watch_request(const std::string& prefix, Revision from);
[[nodiscard]] std::string authentication_request(const std::string& user,
                                                 const std::string& password);

// Answers. Errors: unavailable, if the text is not what etcd says.
[[nodiscard]] Result<KvRange> parse_range(std::string_view text);
[[nodiscard]] Result<KvTxnResult> parse_txn(std::string_view text);
[[nodiscard]] Result<KvLeaseId> parse_grant(std::string_view text);
/// Errors also: not_found: etcd answers an unknown lease with a time to live of 0.
[[nodiscard]] Result<Duration> parse_keep_alive(std::string_view text);
[[nodiscard]] Result<Revision> parse_revision(std::string_view text);
[[nodiscard]] Result<std::string> parse_token(std::string_view text);

/// gRPC's status codes that somebody acts on.
enum class GrpcCode : std::uint8_t {
    unknown = 2,
    invalid_argument = 3,
    deadline_exceeded = 4,
    not_found = 5,
    permission_denied = 7,
    failed_precondition = 9,
    out_of_range = 11,
    unimplemented = 12,
    unavailable = 14,
    unauthenticated = 16,
};
struct GrpcError {
    GrpcCode code = GrpcCode::unknown;
    std::string message;
};
/// Both forms: {"error","code"} of a call and {"error":{...}} inside a stream. Empty if it is none.
[[nodiscard]] std::optional<GrpcError> parse_error(std::string_view text);

/// One line of a watch's stream.
struct WatchMessage {
    bool created = false, canceled = false;
    bool fragment = false;          ///< the next message goes on with this one's last revision
    Revision revision = 0;          ///< the store's, not that of the last event
    Revision compact_revision = 0;  ///< not 0: what was asked for is gone
    std::string cancel_reason;
    std::vector<KvEvent> events;
};
[[nodiscard]] Result<WatchMessage> parse_watch(std::string_view line);

}  // namespace overlab::real
