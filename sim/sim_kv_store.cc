#include "sim/sim_kv_store.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <variant>

#include "models/base/rng.h"
#include "sim/kv_messages.h"

namespace overlab::sim {
namespace {

using Done = std::variant<KvCallback<KvRange>, KvCallback<KvTxnResult>, KvCallback<KvLeaseId>,
                          KvCallback<Duration>, KvCallback<Revision>>;
using WatchCallback = std::function<void(Result<KvWatchUpdate>)>;

}  // namespace

class SimKvStore::Impl final : public std::enable_shared_from_this<Impl>, private StreamHandler {
   public:
    Impl(HostSockets& sockets, Runtime& runtime, Endpoint server, SimKvStoreOptions options)
        : runtime_(runtime),
          server_(server),
          options_(options),
          name_(sockets.host_name()),
          rng_(Rng::stream(options.seed, name_ + "/kv-client")),
          streams_(sockets, runtime, *this, options.stream),
          reconnect_(runtime),
          timeout_(runtime),
          back_off_(options.back_off_min) {}

    template <typename Body, typename Callback>
    void request(Body body, Callback done);
    KvWatchId watch(std::string prefix, Revision from, WatchCallback update);
    void cancel_watch(KvWatchId watch);

    [[nodiscard]] bool connected() const { return open_; }
    [[nodiscard]] const StreamCounters& counters() const { return streams_.counters(); }

   private:
    using RequestPtr = std::shared_ptr<const KvRequest>;
    struct Pending {
        Instant deadline;
        bool sent = false;
        Done done;
    };

    // StreamHandler
    void stream_opened(StreamId stream) override;
    void stream_message(StreamId stream, const StreamMessage& message) override;
    void stream_drained(StreamId /*stream*/) override {}
    void stream_ended(StreamId stream, StreamEnd why) override;

    void submit(RequestPtr request);
    void transmit(const RequestPtr& request);
    void connect();
    void on_response(const std::shared_ptr<const KvReply>& reply, const KvResponse& response);
    void on_watch(const std::shared_ptr<const KvReply>& reply, const KvWatchResponse& response);
    void end_watch(KvWatchId watch, Error error);
    void fail_request(std::map<std::uint64_t, Pending>::iterator at, const char* why);
    void expire();
    void arm_timeout();
    [[nodiscard]] Error unavailable(const char* why) const;
    [[nodiscard]] Duration next_back_off();

    /// Runs `action` next, unless this object is gone by then.
    template <typename Action>
    void post(Action action) {
        runtime_.call_after({}, [weak = weak_from_this(), action = std::move(action)]() mutable {
            if (const auto self = weak.lock()) action(*self);
        });
    }

    Runtime& runtime_;
    Endpoint server_;
    SimKvStoreOptions options_;
    std::string name_;
    Rng rng_;
    StreamHost streams_;
    StreamId stream_;
    bool open_ = false;
    Timer reconnect_, timeout_;
    Duration back_off_;
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, Pending> pending_;  // ids ascend, so deadlines do
    std::map<KvWatchId, std::shared_ptr<const WatchCallback>> watches_;
    std::deque<RequestPtr> waiting_;  // for a stream
};

template <typename Body, typename Callback>
void SimKvStore::Impl::request(Body body, Callback done) {
    const std::uint64_t id = ++last_id_;
    pending_.emplace(id,
                     Pending{runtime_.now() + options_.request_timeout, false, std::move(done)});
    arm_timeout();
    submit(std::make_shared<const KvRequest>(KvRequest{id, std::move(body)}));
}

KvWatchId SimKvStore::Impl::watch(std::string prefix, Revision from, WatchCallback update) {
    const KvWatchId id = ++last_id_;
    watches_.emplace(id, std::make_shared<const WatchCallback>(std::move(update)));
    submit(std::make_shared<const KvRequest>(
        KvRequest{0, KvRequest::Watch{id, std::move(prefix), from}}));
    return id;
}

void SimKvStore::Impl::cancel_watch(KvWatchId watch) {
    if (watches_.erase(watch) == 0) return;
    const auto starts_it = [watch](const RequestPtr& request) {
        const auto* body = std::get_if<KvRequest::Watch>(&request->body);
        return body != nullptr && body->watch == watch;
    };
    if (std::erase_if(waiting_, starts_it) > 0 || stream_ == StreamId{}) return;
    transmit(std::make_shared<const KvRequest>(KvRequest{0, KvRequest::CancelWatch{watch}}));
}

void SimKvStore::Impl::submit(RequestPtr request) {
    if (stream_ == StreamId{} && !reconnect_.armed()) connect();
    if (stream_ == StreamId{}) {
        waiting_.push_back(std::move(request));
    } else {
        transmit(request);
    }
}

void SimKvStore::Impl::transmit(const RequestPtr& request) {
    std::uint32_t bytes = message_bytes(*request);
    if (streams_.unacknowledged(stream_) <= 1 && !open_) bytes += kv_connection_bytes;
    const auto pending = pending_.find(request->id);
    if (pending != pending_.end()) pending->second.sent = true;
    CHECK(streams_.send(stream_, {bytes, request}));
}

void SimKvStore::Impl::connect() {
    stream_ = streams_.connect(server_);
    open_ = false;
    for (const RequestPtr& request : std::exchange(waiting_, {})) {
        if (request->id == 0 || pending_.contains(request->id)) transmit(request);
    }
}

void SimKvStore::Impl::stream_opened(StreamId /*stream*/) {
    open_ = true;
    back_off_ = options_.back_off_min;
}

void SimKvStore::Impl::stream_message(StreamId /*stream*/, const StreamMessage& message) {
    const auto reply = std::static_pointer_cast<const KvReply>(message.cargo);
    if (const auto* response = std::get_if<KvResponse>(reply.get())) {
        on_response(reply, *response);
    } else {
        on_watch(reply, std::get<KvWatchResponse>(*reply));
    }
}

void SimKvStore::Impl::on_response(const std::shared_ptr<const KvReply>& reply,
                                   const KvResponse& response) {
    const auto at = pending_.find(response.id);
    if (at == pending_.end()) return;  // it came after the time-out
    CHECK(at->second.done.index() == response.body.index());
    Done done = std::move(at->second.done);
    pending_.erase(at);
    post([reply, &response, done = std::move(done)](Impl&) {
        std::visit(
            [&]<typename T>(const KvCallback<T>& callback) {
                callback(std::get<Result<T>>(response.body));
            },
            done);
    });
}

void SimKvStore::Impl::on_watch(const std::shared_ptr<const KvReply>& reply,
                                const KvWatchResponse& response) {
    if (!response.batch) {
        end_watch(response.watch, response.batch.error());
        return;
    }
    if (*response.batch == nullptr) return;  // created
    post([reply, &response](Impl& self) {
        const auto at = self.watches_.find(response.watch);
        if (at == self.watches_.end()) return;  // cancelled meanwhile
        const auto update = at->second;
        (*update)((*response.batch)->update);
    });
}

void SimKvStore::Impl::end_watch(KvWatchId watch, Error error) {
    post([watch, error = std::move(error)](Impl& self) {
        const auto node = self.watches_.extract(watch);
        if (!node.empty()) (*node.mapped())(std::unexpected(error));
    });
}

void SimKvStore::Impl::stream_ended(StreamId /*stream*/, StreamEnd why) {
    stream_ = {};
    open_ = false;
    const char* const reason = why == StreamEnd::timed_out ? "no answer" : "connection reset";
    for (auto at = pending_.begin(); at != pending_.end();) {
        const auto current = at++;
        if (current->second.sent) fail_request(current, reason);
    }
    for (const auto& watch : watches_) end_watch(watch.first, unavailable(reason));
    reconnect_.start(next_back_off(), [this] {
        if (!waiting_.empty()) connect();
    });
}

void SimKvStore::Impl::fail_request(std::map<std::uint64_t, Pending>::iterator at,
                                    const char* why) {
    post([done = std::move(at->second.done), error = unavailable(why)](Impl&) {
        std::visit([&](const auto& callback) { callback(std::unexpected(error)); }, done);
    });
    pending_.erase(at);
}

Error SimKvStore::Impl::unavailable(const char* why) const {
    return {ErrorKind::unavailable,
            "store " + server_.address.to_string() + " from host " + name_ + ": " + why};
}

Duration SimKvStore::Impl::next_back_off() {
    const Duration base = back_off_;
    back_off_ = std::min(back_off_ * 2, options_.back_off_max);
    const Duration fifth = base / 5;
    const auto span = static_cast<std::uint64_t>(2 * fifth.ns + 1);
    return base - fifth + nanoseconds(static_cast<std::int64_t>(rng_.below(span)));
}

void SimKvStore::Impl::arm_timeout() {
    if (pending_.empty() || timeout_.armed()) return;
    timeout_.start(pending_.begin()->second.deadline - runtime_.now(), [this] { expire(); });
}

void SimKvStore::Impl::expire() {
    while (!pending_.empty() && pending_.begin()->second.deadline <= runtime_.now()) {
        fail_request(pending_.begin(), "request timed out");
    }
    arm_timeout();
}

SimKvStore::SimKvStore(HostSockets& sockets, Runtime& runtime, Endpoint server,
                       SimKvStoreOptions options)
    : impl_(std::make_shared<Impl>(sockets, runtime, server, options)) {}
SimKvStore::~SimKvStore() = default;

void SimKvStore::range(std::string prefix, KvCallback<KvRange> done) {
    impl_->request(KvRequest::Range{std::move(prefix)}, std::move(done));
}

void SimKvStore::txn(KvTxn txn, KvCallback<KvTxnResult> done) {
    impl_->request(std::move(txn), std::move(done));
}

void SimKvStore::grant(Duration ttl, KvCallback<KvLeaseId> done) {
    impl_->request(KvRequest::Grant{ttl}, std::move(done));
}

void SimKvStore::keep_alive(KvLeaseId lease, KvCallback<Duration> done) {
    impl_->request(KvRequest::KeepAlive{lease}, std::move(done));
}

void SimKvStore::revoke(KvLeaseId lease, KvCallback<Revision> done) {
    impl_->request(KvRequest::Revoke{lease}, std::move(done));
}

KvWatchId SimKvStore::watch(std::string prefix, Revision from, WatchCallback update) {
    return impl_->watch(std::move(prefix), from, std::move(update));
}

void SimKvStore::cancel_watch(KvWatchId watch) { impl_->cancel_watch(watch); }
bool SimKvStore::connected() const { return impl_->connected(); }
const StreamCounters& SimKvStore::counters() const { return impl_->counters(); }

}  // namespace overlab::sim
