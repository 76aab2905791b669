// What the store's clients and its server say to each other, and how many bytes that is on the
// stream. Sizes follow etcd v3's protocol buffers inside gRPC over HTTP/2 without TLS (flannel's
// default); docs/store-model.md derives the constants.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "models/ports/kv_store.h"

namespace overlab::sim {

inline constexpr std::uint16_t kv_port = 2379;

/// HTTP/2 preface and SETTINGS of both sides and the first, uncompressed request headers.
inline constexpr std::uint32_t kv_connection_bytes = 280;

struct KvRequest {
    struct Range {
        std::string prefix;
    };
    struct Grant {
        Duration ttl;
    };
    struct KeepAlive {
        KvLeaseId lease;
    };
    struct Revoke {
        KvLeaseId lease;
    };
    struct Watch {
        KvWatchId watch;  ///< the client's number for it
        std::string prefix;
        Revision from;
    };
    struct CancelWatch {
        KvWatchId watch;
    };

    std::uint64_t id = 0;  ///< repeated in the response; 0 where none is expected
    std::variant<Range, KvTxn, Grant, KeepAlive, Revoke, Watch, CancelWatch> body;

    [[nodiscard]] bool is_write() const {
        return !std::holds_alternative<Range>(body) && !std::holds_alternative<KeepAlive>(body);
    }
};

struct KvResponse {
    std::uint64_t id = 0;
    std::variant<Result<KvRange>, Result<KvTxnResult>, Result<KvLeaseId>, Result<Duration>,
                 Result<Revision>>
        body;
};

/// Events of whole revisions under one prefix: made once, sent to every watcher that stands at the
/// same revision.
struct KvWatchBatch {
    KvWatchUpdate update;
    std::uint32_t bytes = 0;  ///< of the events, encoded
};

struct KvWatchResponse {
    KvWatchId watch = 0;
    Result<std::shared_ptr<const KvWatchBatch>> batch;  ///< null: the watch is created
};

using KvReply = std::variant<KvResponse, KvWatchResponse>;

[[nodiscard]] std::uint32_t message_bytes(const KvRequest& request);
[[nodiscard]] std::uint32_t message_bytes(const KvReply& reply);
[[nodiscard]] std::uint32_t encoded_bytes(const KvEvent& event);

}  // namespace overlab::sim
