// LeaseWatch: one call of LeaseStore::watch: a snapshot, then changes, for ever.
//
//   snapshot --> streaming --+-- stream broke --> back-off --> streaming, from the revision after
//   the last
//      ^                     '-- compacted ----.
//      '---------------------------------------'
//
// Between a snapshot at revision R and the stream from R + 1 nothing is missed and nothing is seen
// twice.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/ports/kv_store.h"
#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"
#include "models/store/backoff.h"
#include "models/store/kv_lease_store.h"

namespace overlab {

class LeaseWatch : public std::enable_shared_from_this<LeaseWatch> {
   public:
    using Update = std::function<void(LeaseUpdate)>;

    /// References must outlive the watch. `rng` is the watch's own.
    LeaseWatch(Runtime& runtime, KvStore& kv, LeaseDecoder& decoder,
               const KvLeaseStoreOptions& options, Update update);
    ~LeaseWatch();
    LeaseWatch(const LeaseWatch&) = delete;
    LeaseWatch& operator=(const LeaseWatch&) = delete;

    /// Takes a snapshot first.
    void start() { snapshot(); }
    /// As start(), but `known` was read just now, and `own` may be newer than it.
    void start_from(const KvRange& known, const LeasePtr& own);

   private:
    void snapshot();
    void snapshot_answered(const KvRange& range, const LeasePtr& own);
    void stream();
    void changed(const KvWatchUpdate& update);
    void broken(const Error& error);
    template <typename Action>
    [[nodiscard]] auto while_alive(Action action);

    Runtime& runtime_;
    KvStore& kv_;
    LeaseDecoder& decoder_;
    std::string prefix_;
    Rng rng_;
    Update update_;
    JitteredBackoff pause_;
    Timer timer_;
    Revision next_ = 0;  // the first revision not seen yet
    std::optional<KvWatchId> stream_;
};

}  // namespace overlab
