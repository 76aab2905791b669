// EtcdKvStore: the KvStore port over etcd v3's JSON gateway (HTTP POST /v3/kv/range and so on),
// with libcurl. Keys and values are base64 in JSON, 64-bit numbers are strings.
//
// Endpoints are tried in turn: a call whose endpoint does not answer goes to the next one if it may
// be repeated (reads always; writes only if the connection was never made), else it fails with
// `unavailable`, outcome unknown. Watches resume by their caller's `from` revision.
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
    std::filesystem::path ca_file, cert_file,
        key_file;                ///< PEM; empty: the system's CAs, no client cert
    std::string user, password;  ///< user empty: no authentication
    Duration connect_timeout = seconds(2);
    Duration request_timeout = seconds(5);
    const Netns* netns = nullptr;  ///< sockets are made here; null: the process' own. Outlives us
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

    /// As an operator: compacts at `revision`.
    void compact(Revision revision, KvCallback<Revision> done);

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
