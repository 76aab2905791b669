// The messages of etcd v3's JSON gateway as a server reads and writes them: the other side of
// etcd_json.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/ports/kv_store.h"

namespace overlab::real {

/// Which keys: one (`end` empty), or [key, end); an end of one zero byte is beyond every key.
struct KeySelection {
    std::string key, end;

    [[nodiscard]] bool contains(std::string_view candidate) const;
    /// The longest prefix that all its keys share: what a KvStore can be asked for.
    [[nodiscard]] std::string common_prefix() const;
};

struct RangeQuery {
    KeySelection keys;
    std::int64_t limit = 0;  ///< 0: no limit
    bool count_only = false, keys_only = false;
};

struct TxnQuery {
    KvTxn txn;
    std::vector<bool> writes_are_puts;  ///< in the order of the request
    std::vector<std::string> reads;     ///< keys of the failure branch
};

struct WatchQuery {
    KeySelection keys;
    Revision from = 0;
};

// Requests. Errors: invalid_argument (malformed), unsupported (etcd could, we cannot).
[[nodiscard]] Result<RangeQuery> read_range(std::string_view body);
[[nodiscard]] Result<KvPut> read_put(std::string_view body);
[[nodiscard]] Result<KeySelection> read_delete_range(std::string_view body);
[[nodiscard]] Result<TxnQuery> read_txn(std::string_view body);
[[nodiscard]] Result<Revision> read_compaction(std::string_view body);
/// In seconds, at least 1: as etcd, a shorter wish gets the shortest time there is.
[[nodiscard]] Result<std::int64_t> read_grant(std::string_view body);
[[nodiscard]] Result<KvLeaseId> read_lease(std::string_view body);
[[nodiscard]] Result<WatchQuery> read_watch(std::string_view body);

/// etcd's HTTP status and body for an error.
struct Refusal {
    int status = 400;
    std::string body;
};
[[nodiscard]] Refusal refuse(const Error& error);

/// Just a header.
[[nodiscard]] std::string write_header(Revision revision);
[[nodiscard]] std::string write_range(const RangeQuery& query, const KvRange& range);
[[nodiscard]] std::string write_deleted(Revision revision, std::size_t count);
[[nodiscard]] std::string write_txn(const TxnQuery& query, const KvTxnResult& result);
[[nodiscard]] std::string write_grant(Revision revision, KvLeaseId lease, std::int64_t ttl_s);
/// `ttl` empty: the lease is unknown.
[[nodiscard]] std::string write_keep_alive(Revision revision, KvLeaseId lease,
                                           std::optional<Duration> ttl);

// Lines of a watch's stream, with their end.
[[nodiscard]] std::string write_created(Revision revision);
/// Empty if none of the events is of `keys`.
[[nodiscard]] std::string write_events(const KeySelection& keys, const KvWatchUpdate& update);
[[nodiscard]] std::string write_compacted(Revision revision, Revision at_least);

}  // namespace overlab::real
