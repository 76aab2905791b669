// KvGateway: serves any KvStore as the part of etcd v3's JSON gateway that EtcdKvStore uses, over
// HTTP/1.1 (libevent's evhttp). With the in-memory store behind it, a run needs no etcd.
//
//   POST /v3/kv/range       a key, a prefix or any [key, range_end); limit, count_only, keys_only
//   POST /v3/kv/put         key, value, lease
//   POST /v3/kv/deleterange as range; its keys go in one transaction, see below
//   POST /v3/kv/txn         EQUAL compares of VERSION, CREATE, MOD, LEASE; success: request_put and
//                           request_delete_range of single keys; failure: request_range of compared
//                           keys
//   POST /v3/kv/compaction  if allow_compaction() gave a way
//   POST /v3/lease/grant, /v3/lease/keepalive, /v3/lease/revoke, /v3/kv/lease/revoke
//   POST /v3/watch          one create_request; streams newline-separated objects
//   GET  /health, /version
//
// Errors have etcd's shape and codes: 400 for what is malformed, 404 for an unknown lease or path,
// 501 for what etcd could do and this cannot (old revisions, other compares, prev_kv, filters,
// chosen lease ids), 503 when the store does not answer. Bodies are bounded by 2 MiB, watches by
// their number and by what a slow reader may leave unread.
//
// Left out: TLS, authentication, members, snapshots, progress notifications, fragments. A deletion
// of a range is a reading and then a transaction on what was read: a key that is created in between
// stays. `compact_revision` of a cancelled watch is a lower bound, the port does not tell it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "models/net/address.h"
#include "models/ports/kv_store.h"
#include "real/base/event_loop.h"

namespace overlab::real {

class KvGateway {
   public:
    /// Listens in the calling thread's namespace; port 0 picks a free one. `store` must outlive the
    /// gateway. Errors: already_exists (the port is in use, with the remedy), invalid_argument (not
    /// an address of this namespace), unavailable.
    [[nodiscard]] static Result<std::unique_ptr<KvGateway>> listen(EventLoop& loop, KvStore& store,
                                                                   Ipv4Address address,
                                                                   std::uint16_t port);
    /// Closes every connection; watches of clients break.
    ~KvGateway();
    [[nodiscard]] std::uint16_t port() const;
    [[nodiscard]] std::size_t watch_count() const;

    /// Compacts at a revision and answers the store's; errors as MvccStore::compact().
    using Compact = std::function<Result<Revision>(Revision)>;
    void allow_compaction(Compact compact);

   private:
    class Impl;
    explicit KvGateway(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::real
