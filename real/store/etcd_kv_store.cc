#include "real/store/etcd_kv_store.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "models/base/check.h"
#include "real/store/etcd_failure.h"
#include "real/store/etcd_json.h"
#include "real/store/http_client.h"

namespace overlab::real {
namespace {

using Answer = std::function<void(Result<std::string>)>;

/// One call's way through the endpoints.
struct Call {
    std::string path, body;
    bool repeatable = false;
    Answer done;
    std::size_t tried = 0;  ///< endpoints
    bool authenticated_again = false;
    std::string failures;  ///< of the endpoints tried, for the message
};

struct WatchCall {
    std::string prefix;
    Revision from = 0;
    /// Shared: it may cancel its own watch.
    std::shared_ptr<std::function<void(Result<KvWatchUpdate>)>> update;
    HttpClient::Id stream = 0;
    bool created = false;
    std::size_t tried = 0;
    bool authenticated_again = false;
    std::string failures;
    std::string endpoint;
    Revision seen = 0;
    std::vector<KvEvent> events;  ///< of a message in fragments
    Timer creation;

    explicit WatchCall(Runtime& runtime) : creation(runtime) {}
};

void add_failure(std::string& failures, const std::string& one) {
    if (failures.contains(one)) return;
    failures += failures.empty() ? one : "; " + one;
}

Result<void> check_pem(const std::filesystem::path& path) {
    if (path.empty()) return {};
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        const int code = errno;
        return fail(ErrorKind::invalid_argument,
                    fmt::format("certificate file {}: {}", path.string(), std::strerror(code)),
                    code);
    }
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    if (text.contains("-----BEGIN ")) return {};
    return fail(ErrorKind::invalid_argument,
                fmt::format("certificate file {}: not PEM (no BEGIN line)", path.string()));
}

/// Without a '/' at its end.
Result<std::string> check_endpoint(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    const std::size_t scheme = url.find("://");
    const bool known = url.starts_with("http://") || url.starts_with("https://");
    const std::string_view host =
        scheme == std::string::npos ? "" : std::string_view(url).substr(scheme + 3);
    if (known && !host.empty() && host.find_first_of("/?# @") == std::string_view::npos) return url;
    return fail(
        ErrorKind::invalid_argument,
        fmt::format("etcd endpoint `{}`: expected http://HOST:PORT or https://HOST:PORT", url));
}

Result<void> check_options(EtcdOptions& options) {
    if (options.endpoints.empty()) {
        return fail(ErrorKind::invalid_argument,
                    "etcd: no endpoint given; expected at least one as http://192.0.2.9:2379");
    }
    for (std::string& endpoint : options.endpoints) {
        OVERLAB_TRY(endpoint, check_endpoint(endpoint));
    }
    if (options.cert_file.empty() != options.key_file.empty()) {
        return fail(ErrorKind::invalid_argument,
                    "etcd: a client certificate needs both cert_file and key_file");
    }
    for (const auto* file : {&options.ca_file, &options.cert_file, &options.key_file}) {
        if (auto checked = check_pem(*file); !checked) return checked;
    }
    return {};
}

}  // namespace

class EtcdKvStore::Impl {
   public:
    Impl(EventLoop& loop, EtcdOptions options)
        : loop_(loop),
          options_(std::move(options)),
          http_(loop, {.ca_file = options_.ca_file,
                       .cert_file = options_.cert_file,
                       .key_file = options_.key_file,
                       .connect_timeout = options_.connect_timeout,
                       .probe_after = options_.probe_after,
                       .netns = options_.netns}) {}

    /// `parse` turns a 200 answer's body into a Result<T>.
    template <typename T, typename Parse>
    void ask(const std::string& path, const std::string& body, bool repeatable, Parse parse,
             KvCallback<T> done) {
        start({.path = path,
               .body = body,
               .repeatable = repeatable,
               .done = [parse, done = std::move(done)](Result<std::string> text) {
                   if (!text) return done(std::unexpected(text.error()));
                   done(parse(*text));
               }});
    }
    void start(Call call);

    KvWatchId watch(std::string prefix, Revision from,
                    std::function<void(Result<KvWatchUpdate>)> update);
    void cancel_watch(KvWatchId id);

    [[nodiscard]] const HttpClient::Counters& counters() const { return http_.counters(); }
    /// An answer that needs no question. As every callback: later, and not after our destruction.
    void later(std::function<void()> action) {
        loop_.call_after({}, [alive = std::weak_ptr<void>(alive_), action = std::move(action)] {
            if (!alive.expired()) action();
        });
    }

   private:
    [[nodiscard]] const std::string& endpoint() const { return options_.endpoints[current_]; }
    /// `failed` is not to be asked first any more.
    void leave(const std::string& failed) {
        if (endpoint() == failed) current_ = (current_ + 1) % options_.endpoints.size();
    }
    [[nodiscard]] bool token_missing() const {
        return !options_.user.empty() && token_.empty() && !authentication_off_;
    }
    [[nodiscard]] std::vector<std::string> headers() const {
        if (token_.empty()) return {};
        return {"Authorization: " + token_};
    }
    void drop_token() {
        token_.clear();
        authentication_off_ = false;
    }

    void send(Call call);
    void answered(Call call, const std::string& asked, HttpOutcome outcome);
    /// Runs `then` with a token, or with the reason why there is none.
    void with_token(std::function<void(Result<void>)> then);
    void authenticated(const Result<std::string>& answer);

    void open_watch(KvWatchId id);
    void post_watch(KvWatchId id);
    void watch_line(KvWatchId id, std::string_view line);
    void watch_refused(KvWatchId id, const Error& error, bool stale_token);
    void watch_ended(KvWatchId id, const HttpOutcome& outcome);
    void try_next_endpoint(KvWatchId id, const std::string& failure);
    void end_watch(KvWatchId id, Error error);

    EventLoop& loop_;
    EtcdOptions options_;
    HttpClient http_;
    std::size_t current_ = 0;  ///< the endpoint to ask first
    std::string token_;
    bool authentication_off_ = false;  ///< etcd says that it wants no token
    bool authenticating_ = false;
    std::vector<std::function<void(Result<void>)>> waiting_;
    std::map<KvWatchId, WatchCall> watches_;
    KvWatchId last_watch_ = 0;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

// ---- calls ----------------------------------------------------------------------------------

void EtcdKvStore::Impl::start(Call call) {
    if (!token_missing()) return send(std::move(call));
    auto shared = std::make_shared<Call>(std::move(call));
    with_token([this, shared](Result<void> token) {
        if (!token) return shared->done(std::unexpected(token.error()));
        send(std::move(*shared));
    });
}

void EtcdKvStore::Impl::send(Call call) {
    ++call.tried;
    const std::string asked = endpoint();
    HttpRequest request{.url = asked + call.path,
                        .body = call.body,
                        .headers = headers(),
                        .repeatable = call.repeatable,
                        .limit = options_.request_timeout};
    auto shared = std::make_shared<Call>(std::move(call));
    http_.post(std::move(request), [this, shared, asked](HttpOutcome outcome) {
        answered(std::move(*shared), asked, std::move(outcome));
    });
}

void EtcdKvStore::Impl::answered(Call call, const std::string& asked, HttpOutcome outcome) {
    const bool others_left = call.tried < options_.endpoints.size();
    if (outcome.status == 200) return call.done(std::move(outcome.body));
    if (outcome.status == 0) {
        leave(asked);
        add_failure(call.failures, fmt::format("etcd {}: {}", asked, outcome.failure));
        if (others_left && (call.repeatable || !outcome.sent)) return send(std::move(call));
        return call.done(fail(ErrorKind::unavailable, call.failures));
    }
    EtcdRefusal refusal = explain_refusal(asked, outcome.status, outcome.body);
    if (refusal.stale_token && !options_.user.empty() && !call.authenticated_again) {
        call.authenticated_again = true;
        --call.tried;
        drop_token();
        return start(std::move(call));
    }
    if (refusal.member_trouble) {
        leave(asked);
        add_failure(call.failures, refusal.error.what);
        if (others_left && call.repeatable) return send(std::move(call));
        refusal.error.what = call.failures;
    }
    call.done(std::unexpected(std::move(refusal.error)));
}

void EtcdKvStore::Impl::with_token(std::function<void(Result<void>)> then) {
    waiting_.push_back(std::move(then));
    if (std::exchange(authenticating_, true)) return;
    send({.path = "/v3/auth/authenticate",
          .body = authentication_request(options_.user, options_.password),
          .repeatable = true,
          .done = [this](const Result<std::string>& answer) { authenticated(answer); },
          // A refusal for a stale token would ask for a token again.
          .authenticated_again = true});
}

void EtcdKvStore::Impl::authenticated(const Result<std::string>& answer) {
    authenticating_ = false;
    Result<void> outcome;
    if (answer) {
        auto token = parse_token(*answer);
        if (token) token_ = std::move(*token);
        if (!token) outcome = std::unexpected(token.error());
    } else if (answer.error().what.contains("authentication is not enabled")) {
        authentication_off_ = true;
    } else {
        outcome = std::unexpected(answer.error());
        outcome.error().what += fmt::format(" (user {})", options_.user);
        // Whoever holds a lease must try again: the password may be mended.
        outcome.error().kind = ErrorKind::unavailable;
    }
    const auto waiting = std::exchange(waiting_, {});
    const std::weak_ptr<void> alive = alive_;
    for (const auto& then : waiting) {
        if (alive.expired()) return;
        then(outcome);
    }
}

// ---- watches --------------------------------------------------------------------------------

KvWatchId EtcdKvStore::Impl::watch(std::string prefix, Revision from,
                                   std::function<void(Result<KvWatchUpdate>)> update) {
    const KvWatchId id = ++last_watch_;
    WatchCall& call = watches_.try_emplace(id, loop_).first->second;
    call.prefix = std::move(prefix);
    call.from = from;
    call.seen = from - 1;
    call.update = std::make_shared<std::function<void(Result<KvWatchUpdate>)>>(std::move(update));
    open_watch(id);
    return id;
}

void EtcdKvStore::Impl::cancel_watch(KvWatchId id) {
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    http_.cancel(found->second.stream);
    watches_.erase(found);
}

void EtcdKvStore::Impl::open_watch(KvWatchId id) {
    if (!token_missing()) return post_watch(id);
    with_token([this, id](Result<void> token) {
        if (!watches_.contains(id)) return;
        if (!token) return end_watch(id, token.error());
        post_watch(id);
    });
}

void EtcdKvStore::Impl::post_watch(KvWatchId id) {
    WatchCall& watch = watches_.at(id);
    ++watch.tried;
    watch.endpoint = endpoint();
    HttpRequest request{.url = watch.endpoint + "/v3/watch",
                        .body = watch_request(watch.prefix, watch.from),
                        .headers = headers(),
                        .repeatable = true,
                        .limit = {}};
    // A member that has lost its cluster ends the watch instead of being silent for ever.
    request.headers.emplace_back("Grpc-Metadata-hasleader: true");
    watch.stream = http_.post(
        std::move(request), [this, id](const HttpOutcome& outcome) { watch_ended(id, outcome); },
        [this, id](std::string_view line) { watch_line(id, line); });
    watch.creation.start(options_.request_timeout, [this, id] {
        http_.cancel(watches_.at(id).stream);
        try_next_endpoint(id, fmt::format("watch not begun within {} ms",
                                          options_.request_timeout.ns / 1'000'000));
    });
}

void EtcdKvStore::Impl::watch_line(KvWatchId id, std::string_view line) {
    WatchCall& watch = watches_.at(id);
    if (const auto error = parse_error(line)) {
        const Error failure{
            .kind = ErrorKind::unavailable,
            .what = fmt::format("etcd {}: watch ended: {}", watch.endpoint, error->message)};
        return watch_refused(id, failure, says_stale_token(error->message));
    }
    auto message = parse_watch(line);
    if (!message) {
        message.error().what = fmt::format("etcd {}: {}", watch.endpoint, message.error().what);
        return watch_refused(id, message.error(), false);
    }
    if (message->canceled && message->compact_revision == 0) {
        const Error failure{.kind = ErrorKind::unavailable,
                            .what = fmt::format("etcd {}: watch refused: {}", watch.endpoint,
                                                message->cancel_reason)};
        return watch_refused(id, failure, says_stale_token(message->cancel_reason));
    }
    if (message->compact_revision != 0) {
        return end_watch(
            id, {.kind = ErrorKind::compacted,
                 .what = fmt::format("watch of {} from revision {}: compacted up to "
                                     "{}; take a fresh range",
                                     watch.prefix, watch.seen + 1, message->compact_revision)});
    }
    watch.creation.stop();
    watch.created = true;
    std::move(message->events.begin(), message->events.end(), std::back_inserter(watch.events));
    if (message->fragment) return;
    // Of a message with events, the header's revision may lie beyond them: more may follow. Without
    // events it says that nothing up to it is missing; but for the first one, which is sent before
    // what `from` asks for.
    KvWatchUpdate update{.revision = message->created ? 0 : message->revision,
                         .events = std::exchange(watch.events, {})};
    if (!update.events.empty()) update.revision = update.events.back().entry->mod_revision;
    if (update.events.empty() && update.revision <= watch.seen) return;
    watch.seen = update.revision;
    const auto callback = watch.update;
    (*callback)(std::move(update));
}

void EtcdKvStore::Impl::watch_refused(KvWatchId id, const Error& error, bool stale_token) {
    WatchCall& watch = watches_.at(id);
    if (!stale_token || options_.user.empty() || watch.authenticated_again || watch.created)
        return end_watch(id, error);
    watch.authenticated_again = true;
    --watch.tried;
    http_.cancel(watch.stream);
    drop_token();
    open_watch(id);
}

void EtcdKvStore::Impl::watch_ended(KvWatchId id, const HttpOutcome& outcome) {
    const WatchCall& watch = watches_.at(id);
    if (outcome.status == 0) return try_next_endpoint(id, outcome.failure);
    if (outcome.status != 200) {
        const EtcdRefusal refusal = explain_refusal(watch.endpoint, outcome.status, outcome.body);
        return watch_refused(id, refusal.error, refusal.stale_token);
    }
    try_next_endpoint(id, "the watch's stream ended");
}

void EtcdKvStore::Impl::try_next_endpoint(KvWatchId id, const std::string& failure) {
    WatchCall& watch = watches_.at(id);
    leave(watch.endpoint);
    add_failure(watch.failures, fmt::format("etcd {}: {}", watch.endpoint, failure));
    if (!watch.created && watch.tried < options_.endpoints.size()) return open_watch(id);
    end_watch(id, {.kind = ErrorKind::unavailable, .what = watch.failures});
}

void EtcdKvStore::Impl::end_watch(KvWatchId id, Error error) {
    const auto callback = watches_.at(id).update;
    cancel_watch(id);
    (*callback)(std::unexpected(std::move(error)));
}

// ---- the port -------------------------------------------------------------------------------

Result<std::unique_ptr<EtcdKvStore>> EtcdKvStore::create(EventLoop& loop, EtcdOptions options) {
    if (auto checked = check_options(options); !checked) return std::unexpected(checked.error());
    return std::unique_ptr<EtcdKvStore>(
        new EtcdKvStore(std::make_unique<Impl>(loop, std::move(options))));
}

EtcdKvStore::EtcdKvStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EtcdKvStore::~EtcdKvStore() = default;

void EtcdKvStore::range(std::string prefix, KvCallback<KvRange> done) {
    impl_->ask<KvRange>("/v3/kv/range", range_request(prefix), true, parse_range, std::move(done));
}

void EtcdKvStore::txn(KvTxn txn, KvCallback<KvTxnResult> done) {
    const bool reads_only = txn.puts.empty() && txn.deletes.empty();
    impl_->ask<KvTxnResult>("/v3/kv/txn", txn_request(txn), reads_only, parse_txn, std::move(done));
}

void EtcdKvStore::grant(Duration ttl, KvCallback<KvLeaseId> done) {
    if (ttl <= Duration{}) {
        return impl_->later([ttl, done = std::move(done)] {
            done(fail(ErrorKind::invalid_argument,
                      fmt::format("lease: time to live of {} ns, expected more than 0", ttl.ns)));
        });
    }
    constexpr std::int64_t second = seconds(1).ns;
    const std::int64_t ttl_s = ttl.ns / second + (ttl.ns % second != 0 ? 1 : 0);
    impl_->ask<KvLeaseId>("/v3/lease/grant", grant_request(ttl_s), false, parse_grant,
                          std::move(done));
}

void EtcdKvStore::keep_alive(KvLeaseId lease, KvCallback<Duration> done) {
    impl_->ask<Duration>("/v3/lease/keepalive", lease_request(lease), true, parse_keep_alive,
                         std::move(done));
}

void EtcdKvStore::revoke(KvLeaseId lease, KvCallback<Revision> done) {
    impl_->start({.path = "/v3/lease/revoke",
                  .body = lease_request(lease),
                  .repeatable = true,
                  .done = [impl = impl_.get(), done = std::move(done)](Result<std::string> text) {
                      if (text) return done(parse_revision(*text));
                      if (text.error().kind != ErrorKind::not_found)
                          return done(std::unexpected(text.error()));
                      // Gone already, which is success; a refusal does not tell the revision.
                      impl->ask<Revision>("/v3/kv/range", revision_request(), true, parse_revision,
                                          done);
                  }});
}

KvWatchId EtcdKvStore::watch(std::string prefix, Revision from,
                             std::function<void(Result<KvWatchUpdate>)> update) {
    return impl_->watch(std::move(prefix), from, std::move(update));
}

void EtcdKvStore::cancel_watch(KvWatchId watch) { impl_->cancel_watch(watch); }

void EtcdKvStore::compact(Revision revision, KvCallback<Revision> done) {
    impl_->ask<Revision>("/v3/kv/compaction", compaction_request(revision), false, parse_revision,
                         std::move(done));
}

EtcdKvStore::Counters EtcdKvStore::counters() const {
    const HttpClient::Counters& all = impl_->counters();
    return {.requests = all.requests,
            .responses = all.responses,
            .bytes_sent = all.bytes_sent,
            .bytes_received = all.bytes_received};
}

}  // namespace overlab::real
