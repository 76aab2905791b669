// EtcdKvStore: the KvStore port over etcd v3's JSON gateway (HTTP POST /v3/kv/range and so on),
// with libcurl. Keys and values are base64 in JSON, 64-bit numbers are strings. Works with etcd
// 3.4 and later (the paths under /v3/) and with KvGateway.
//
// Endpoints are tried in turn: a call whose endpoint does not answer goes to the next one if it may
// be repeated (range, a transaction without writes, keep-alive and revocation, whose second time
// changes nothing: always; other calls: only if nothing was sent), else it fails with
// `unavailable`, outcome unknown. The endpoint that answered last is asked first. Watches end with
// `unavailable` when their stream breaks, and resume by their caller's `from` revision.
//
// Two calls without waiting for the first answer may take effect in either order.
//
// What is wrong with the way to the store (no connection, TLS, password, permissions, a 5xx) is
// `unavailable`, with the endpoint and the remedy in the message: an operator can mend all of them
// while we run, and a holder of a lease must not take them for its loss.
//
// Standards: etcd 3.4 api/v3 over grpc-gateway; RFC 4648 §4; RFC 9112.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/ports/kv_store.h"
#include "real/base/event_loop.h"
#include "real/base/netns.h"

namespace overlab::real {

struct EtcdOptions {
    std::vector<std::string> endpoints;  ///< `http://192.0.2.9:2379`, `https://...`
    /// PEM; empty: the system's CAs, no client certificate.
    std::filesystem::path ca_file, cert_file, key_file;
    std::string user, password;  ///< user empty: no authentication
    Duration connect_timeout = seconds(2);
    Duration request_timeout = seconds(5);
    Duration probe_after = seconds(5);  ///< as HttpOptions has it
    /// Sockets are made here; null: the process' own. Outlives us. Host names are looked up in the
    /// process' own all the same: use addresses.
    const Netns* netns = nullptr;
};

class EtcdKvStore final : public KvStore {
   public:
    /// Errors: invalid_argument (no endpoint, an URL that is none, an unreadable certificate file).
    /// Does not connect yet.
    [[nodiscard]] static Result<std::unique_ptr<EtcdKvStore>> create(EventLoop& loop,
                                                                     EtcdOptions options);
    ~EtcdKvStore() override;

    void range(std::string prefix, KvCallback<KvRange> done) override;
    void txn(KvTxn txn, KvCallback<KvTxnResult> done) override;
    void grant(Duration ttl, KvCallback<KvLeaseId> done) override;
    void keep_alive(KvLeaseId lease, KvCallback<Duration> done) override;
    void revoke(KvLeaseId lease, KvCallback<Revision> done) override;
    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update) override;
    void cancel_watch(KvWatchId watch) override;

    /// As an operator: compacts at `revision`; answers the store's revision. Errors: unavailable,
    /// compacted, invalid_argument (not taken yet).
    void compact(Revision revision, KvCallback<Revision> done);

    /// HTTP requests, authentication and watches included; bytes without TLS and TCP.
    struct Counters {
        std::uint64_t requests = 0, responses = 0, bytes_sent = 0, bytes_received = 0;
    };
    [[nodiscard]] Counters counters() const;

   private:
    class Impl;
    explicit EtcdKvStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::real
