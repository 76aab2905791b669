#include "real/store/kv_gateway.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/base/check.h"
#include "real/base/fd.h"
#include "real/store/gateway_json.h"

namespace overlab::real {
namespace {

constexpr ev_ssize_t max_body_bytes = 2 << 20;
constexpr ev_ssize_t max_header_bytes = 16 << 10;
constexpr std::size_t max_watches = 20'000;
/// What a watcher may leave unread before its stream is cut.
constexpr std::size_t max_unread_bytes = std::size_t{64} << 20;
/// A connection that sends nothing is closed, unless it waits for a watch's events; EtcdKvStore
/// gives its own up sooner.
constexpr int idle_s = 60;
constexpr int listen_backlog = 1024;
/// Readings and transactions of one deletion of a range, while others write the same keys.
constexpr int max_delete_rounds = 16;

using RequestId = std::uint64_t;

Result<Fd> listening_socket(Ipv4Address address, std::uint16_t port) {
    const std::string where = fmt::format("store gateway {}:{}", address.to_string(), port);
    const auto os_failure = [&](ErrorKind kind, std::string_view remedy) {
        const int code = errno;
        return fail(kind, fmt::format("{}: {}{}", where, std::strerror(code), remedy), code);
    };
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return os_failure(ErrorKind::unavailable, "");
    const int on = 1;
    // Only spares the wait for old connections after a restart.
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(address.bits);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        ::listen(fd.get(), listen_backlog) != 0) {
        switch (errno) {
            case EADDRINUSE:
                return os_failure(ErrorKind::already_exists,
                                  "; stop what listens there (ss -ltnp) or choose another port");
            case EADDRNOTAVAIL:
                return os_failure(ErrorKind::invalid_argument,
                                  "; expected an address of an interface in this namespace");
            default:
                return os_failure(ErrorKind::unavailable, "");
        }
    }
    return fd;
}

std::uint16_t port_of(int fd) {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0);
    return ntohs(name.sin_port);
}

std::string body_of(evhttp_request* request) {
    evbuffer* input = evhttp_request_get_input_buffer(request);
    std::string body(evbuffer_get_length(input), '\0');
    evbuffer_copyout(input, body.data(), body.size());
    return body;
}

void set_json(evhttp_request* request) {
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
}

void append(evbuffer* buffer, std::string_view text) {
    CHECK(evbuffer_add(buffer, text.data(), text.size()) == 0);
}

}  // namespace

class KvGateway::Impl {
   public:
    Impl(EventLoop& loop, KvStore& store, const Fd& socket)
        : loop_(loop), store_(store), http_(evhttp_new(loop.base())), port_(port_of(socket.get())) {
        CHECK(http_ != nullptr);
        evhttp_set_max_body_size(http_, max_body_bytes);
        evhttp_set_max_headers_size(http_, max_header_bytes);
        evhttp_set_allowed_methods(http_, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
        evhttp_set_timeout(http_, idle_s);
        evhttp_set_gencb(http_, &Impl::requested, this);
        add_routes();
        // evhttp closes its own.
        const int copy = ::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0);
        CHECK(copy >= 0);
        CHECK(evhttp_accept_socket(http_, copy) == 0);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        alive_.reset();
        while (!watches_.empty()) drop_watch(watches_.begin()->first);
        evhttp_free(http_);
    }

    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] std::size_t watch_count() const { return watches_.size(); }
    void allow_compaction(Compact compact) { compact_ = std::move(compact); }

   private:
    using Route = void (Impl::*)(RequestId, const std::string& body);
    /// A request not answered yet. The connection is kept here because it names the request when
    /// that is gone.
    struct Pending {
        evhttp_request* request = nullptr;
        evhttp_connection* connection = nullptr;
    };
    struct Watch {
        Pending from;
        event* closed = nullptr;  ///< the client went away
        KeySelection keys;
        Revision next = 0;
        KvWatchId at_store = 0;
    };

    void add_routes() {
        posts_ = {{"/v3/kv/range", &Impl::range},
                  {"/v3/kv/put", &Impl::put},
                  {"/v3/kv/deleterange", &Impl::delete_range},
                  {"/v3/kv/txn", &Impl::txn},
                  {"/v3/kv/compaction", &Impl::compaction},
                  {"/v3/lease/grant", &Impl::grant},
                  {"/v3/lease/keepalive", &Impl::keep_alive},
                  {"/v3/lease/revoke", &Impl::revoke},
                  {"/v3/kv/lease/revoke", &Impl::revoke},
                  {"/v3/watch", &Impl::watch}};
    }

    static void requested(evhttp_request* request, void* context) {
        static_cast<Impl*>(context)->serve(request);
    }
    static void connection_closed(evhttp_connection* connection, void* context) {
        static_cast<Impl*>(context)->forget(connection);
    }
    void serve(evhttp_request* request);
    /// Remembers a request until it is answered; its connection may end before.
    RequestId admit(evhttp_request* request);
    void forget(const evhttp_connection* connection);
    void reply(RequestId id, int status, const std::string& body);
    void refuse_request(RequestId id, const Error& error);
    /// A callback for the store that answers `id` with write(value), or with the error.
    template <typename T, typename Write>
    KvCallback<T> answer(RequestId id, const Write& write) {
        return [this, id, write, alive = std::weak_ptr<void>(alive_)](Result<T> result) {
            if (alive.expired()) return;
            if (!result) return refuse_request(id, result.error());
            reply(id, HTTP_OK, write(*result));
        };
    }
    /// For headers of answers that the store gives no revision for.
    Revision saw(Revision revision) { return last_revision_ = std::max(last_revision_, revision); }

    void range(RequestId id, const std::string& body);
    void put(RequestId id, const std::string& body);
    void delete_range(RequestId id, const std::string& body);
    void delete_round(RequestId id, KeySelection keys, int rounds);
    void delete_found(RequestId id, KeySelection keys, int rounds, const KvRange& found);
    void txn(RequestId id, const std::string& body);
    void compaction(RequestId id, const std::string& body);
    void grant(RequestId id, const std::string& body);
    void keep_alive(RequestId id, const std::string& body);
    void revoke(RequestId id, const std::string& body);

    void watch(RequestId id, const std::string& body);
    void begin_watch(RequestId id, WatchQuery query);
    void notify(RequestId id, const Result<KvWatchUpdate>& update);
    void stream(const Watch& watch, std::string_view line);
    void forget_watch(RequestId id);
    /// Ends a watch and its connection.
    void drop_watch(RequestId id);
    static void client_left(evutil_socket_t, short, void* context);

    struct Left {
        Impl* impl;
        RequestId id;
    };

    EventLoop& loop_;
    KvStore& store_;
    evhttp* http_;
    std::uint16_t port_;
    Compact compact_;
    std::map<std::string, Route, std::less<>> posts_;
    RequestId last_request_ = 0;
    std::map<RequestId, Pending> requests_;
    std::map<RequestId, Watch> watches_;
    std::map<RequestId, Left> lefts_;  ///< contexts of `closed` events
    Revision last_revision_ = 1;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

// ---- requests -------------------------------------------------------------------------------

void KvGateway::Impl::serve(evhttp_request* request) {
    const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
    const char* path_text = uri == nullptr ? nullptr : evhttp_uri_get_path(uri);
    const std::string_view path = path_text == nullptr ? "" : path_text;
    const bool is_post = evhttp_request_get_command(request) == EVHTTP_REQ_POST;
    const RequestId id = admit(request);
    if (path == "/health" || path == "/version") {
        return reply(id, HTTP_OK,
                     path == "/health" ? R"({"health":"true"})"
                                       : R"({"etcdserver":"3.4.0","etcdcluster":"3.4.0"})");
    }
    const auto route = posts_.find(path);
    if (route == posts_.end()) {
        return refuse_request(
            id, {.kind = ErrorKind::not_found, .what = fmt::format("{}: no such path", path)});
    }
    if (!is_post) {
        return reply(id, HTTP_BADMETHOD,
                     R"({"error":"Method Not Allowed","message":"expected POST","code":12})");
    }
    (this->*route->second)(id, body_of(request));
}

RequestId KvGateway::Impl::admit(evhttp_request* request) {
    const RequestId id = ++last_request_;
    evhttp_connection* connection = evhttp_request_get_connection(request);
    requests_.emplace(id, Pending{request, connection});
    evhttp_connection_set_closecb(connection, &Impl::connection_closed, this);
    return id;
}

void KvGateway::Impl::forget(const evhttp_connection* connection) {
    std::erase_if(requests_,
                  [&](const auto& entry) { return entry.second.connection == connection; });
    const auto found = std::ranges::find_if(
        watches_, [&](const auto& entry) { return entry.second.from.connection == connection; });
    if (found == watches_.end()) return;
    store_.cancel_watch(found->second.at_store);
    forget_watch(found->first);
}

void KvGateway::Impl::reply(RequestId id, int status, const std::string& body) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;  // the client did not wait
    evhttp_request* request = found->second.request;
    requests_.erase(found);
    set_json(request);
    append(evhttp_request_get_output_buffer(request), body);
    evhttp_send_reply(request, status, nullptr, nullptr);
}

void KvGateway::Impl::refuse_request(RequestId id, const Error& error) {
    const Refusal refusal = refuse(error);
    reply(id, refusal.status, refusal.body);
}

// ---- keys and leases --------------------------------------------------------------------------

void KvGateway::Impl::range(RequestId id, const std::string& body) {
    const auto query = read_range(body);
    if (!query) return refuse_request(id, query.error());
    store_.range(query->keys.common_prefix(), answer<KvRange>(id, [this, query](const auto& range) {
                     saw(range.revision);
                     return write_range(*query, range);
                 }));
}

void KvGateway::Impl::put(RequestId id, const std::string& body) {
    auto write = read_put(body);
    if (!write) return refuse_request(id, write.error());
    KvTxn txn;
    txn.puts.push_back(std::move(*write));
    store_.txn(std::move(txn), answer<KvTxnResult>(id, [this](const KvTxnResult& result) {
                   return write_header(saw(result.revision));
               }));
}

void KvGateway::Impl::delete_range(RequestId id, const std::string& body) {
    auto keys = read_delete_range(body);
    if (!keys) return refuse_request(id, keys.error());
    delete_round(id, std::move(*keys), 1);
}

void KvGateway::Impl::delete_round(RequestId id, KeySelection keys, int rounds) {
    const std::string prefix = keys.common_prefix();
    store_.range(prefix, [this, id, keys = std::move(keys), rounds,
                          alive = std::weak_ptr<void>(alive_)](const Result<KvRange>& found) {
        if (alive.expired()) return;
        if (!found) return refuse_request(id, found.error());
        delete_found(id, keys, rounds, *found);
    });
}

void KvGateway::Impl::delete_found(RequestId id, KeySelection keys, int rounds,
                                   const KvRange& found) {
    KvTxn txn;
    for (const KeyValuePtr& entry : found.entries) {
        if (!keys.contains(entry->key)) continue;
        txn.compares.push_back({entry->key, KvCompare::Target::mod_revision, entry->mod_revision});
        txn.deletes.push_back({entry->key});
    }
    const std::size_t count = txn.deletes.size();
    if (count == 0) return reply(id, HTTP_OK, write_deleted(saw(found.revision), 0));
    store_.txn(
        std::move(txn), [this, id, keys = std::move(keys), rounds, count,
                         alive = std::weak_ptr<void>(alive_)](const Result<KvTxnResult>& result) {
            if (alive.expired()) return;
            if (!result) return refuse_request(id, result.error());
            if (result->succeeded)
                return reply(id, HTTP_OK, write_deleted(saw(result->revision), count));
            if (rounds < max_delete_rounds) return delete_round(id, keys, rounds + 1);
            refuse_request(id, {.kind = ErrorKind::unavailable,
                                .what = "deleterange: others keep writing these keys; try again"});
        });
}

void KvGateway::Impl::txn(RequestId id, const std::string& body) {
    auto query = read_txn(body);
    if (!query) return refuse_request(id, query.error());
    KvTxn txn = query->txn;
    store_.txn(std::move(txn),
               answer<KvTxnResult>(id, [this, query = std::move(*query)](const auto& result) {
                   saw(result.revision);
                   return write_txn(query, result);
               }));
}

void KvGateway::Impl::compaction(RequestId id, const std::string& body) {
    const auto revision = read_compaction(body);
    if (!revision) return refuse_request(id, revision.error());
    if (!compact_) {
        return refuse_request(
            id, {.kind = ErrorKind::unsupported, .what = "compaction: this store has none"});
    }
    const Result<Revision> now = compact_(*revision);
    if (!now) return refuse_request(id, now.error());
    reply(id, HTTP_OK, write_header(saw(*now)));
}

void KvGateway::Impl::grant(RequestId id, const std::string& body) {
    const auto ttl_s = read_grant(body);
    if (!ttl_s) return refuse_request(id, ttl_s.error());
    store_.grant(seconds(*ttl_s), answer<KvLeaseId>(id, [this, ttl_s](KvLeaseId lease) {
                     return write_grant(last_revision_, lease, *ttl_s);
                 }));
}

void KvGateway::Impl::keep_alive(RequestId id, const std::string& body) {
    const auto lease = read_lease(body);
    if (!lease) return refuse_request(id, lease.error());
    store_.keep_alive(*lease, [this, id, lease,
                               alive = std::weak_ptr<void>(alive_)](const Result<Duration>& ttl) {
        if (alive.expired()) return;
        // As etcd: an unknown lease is an answer without a time to live, and no error.
        if (!ttl && ttl.error().kind != ErrorKind::not_found)
            return refuse_request(id, ttl.error());
        reply(id, HTTP_OK,
              write_keep_alive(last_revision_, *lease,
                               ttl ? std::optional<Duration>(*ttl) : std::nullopt));
    });
}

void KvGateway::Impl::revoke(RequestId id, const std::string& body) {
    const auto lease = read_lease(body);
    if (!lease) return refuse_request(id, lease.error());
    store_.revoke(*lease, answer<Revision>(id, [this](Revision revision) {
        return write_header(saw(revision));
    }));
}

// ---- watches --------------------------------------------------------------------------------

void KvGateway::Impl::watch(RequestId id, const std::string& body) {
    auto query = read_watch(body);
    if (!query) return refuse_request(id, query.error());
    if (watches_.size() >= max_watches) {
        return refuse_request(
            id, {.kind = ErrorKind::unavailable,
                 .what = fmt::format("watch: {} are open, the most there may be", max_watches)});
    }
    begin_watch(id, std::move(*query));
}

void KvGateway::Impl::begin_watch(RequestId id, WatchQuery query) {
    const Pending from = requests_.at(id);
    requests_.erase(id);
    set_json(from.request);
    evhttp_send_reply_start(from.request, HTTP_OK, nullptr);
    // evhttp does not read while it answers, and so would notice a client that left at the next
    // event only.
    bufferevent* const line = evhttp_connection_get_bufferevent(from.connection);
    const evutil_socket_t fd = bufferevent_getfd(line);
    constexpr timeval unread_limit{.tv_sec = idle_s, .tv_usec = 0};
    CHECK(bufferevent_set_timeouts(line, nullptr, &unread_limit) == 0);
    Left& left = lefts_[id] = {this, id};
    Watch& watch = watches_[id];
    watch = {.from = from,
             .closed = event_new(loop_.base(), fd, EV_CLOSED, &Impl::client_left, &left),
             .keys = std::move(query.keys),
             .next = query.from};
    CHECK(watch.closed != nullptr);
    CHECK(event_add(watch.closed, nullptr) == 0);
    stream(watch, write_created(last_revision_));
    watch.at_store = store_.watch(
        watch.keys.common_prefix(), query.from,
        [this, id, alive = std::weak_ptr<void>(alive_)](const Result<KvWatchUpdate>& update) {
            if (!alive.expired()) notify(id, update);
        });
}

void KvGateway::Impl::notify(RequestId id, const Result<KvWatchUpdate>& update) {
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    Watch& watch = found->second;
    if (!update) {
        if (update.error().kind == ErrorKind::compacted)
            stream(watch, write_compacted(last_revision_, watch.next + 1));
        // The store's watch is over; so is the stream, whatever was the reason.
        evhttp_request* request = watch.from.request;
        forget_watch(id);
        evhttp_send_reply_end(request);
        return;
    }
    watch.next = update->revision + 1;
    saw(update->revision);
    const std::string line = write_events(watch.keys, *update);
    if (line.empty()) return;
    stream(watch, line);
    bufferevent* buffer = evhttp_connection_get_bufferevent(watch.from.connection);
    if (evbuffer_get_length(bufferevent_get_output(buffer)) > max_unread_bytes) drop_watch(id);
}

void KvGateway::Impl::stream(const Watch& watch, std::string_view line) {
    evbuffer* chunk = evbuffer_new();
    CHECK(chunk != nullptr);
    append(chunk, line);
    evhttp_send_reply_chunk(watch.from.request, chunk);
    evbuffer_free(chunk);
}

void KvGateway::Impl::drop_watch(RequestId id) {
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    evhttp_connection* connection = found->second.from.connection;
    forget(connection);
    evhttp_connection_free(connection);  // frees the request too
}

void KvGateway::Impl::forget_watch(RequestId id) {
    event_free(watches_.at(id).closed);
    watches_.erase(id);
    lefts_.erase(id);
}

void KvGateway::Impl::client_left(evutil_socket_t, short, void* context) {
    const Left left = *static_cast<Left*>(context);
    left.impl->drop_watch(left.id);
}

// ---- the gateway ----------------------------------------------------------------------------

Result<std::unique_ptr<KvGateway>> KvGateway::listen(EventLoop& loop, KvStore& store,
                                                     Ipv4Address address, std::uint16_t port) {
    OVERLAB_TRY(const Fd socket, listening_socket(address, port));
    return std::unique_ptr<KvGateway>(new KvGateway(std::make_unique<Impl>(loop, store, socket)));
}

KvGateway::KvGateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KvGateway::~KvGateway() = default;

std::uint16_t KvGateway::port() const { return impl_->port(); }
std::size_t KvGateway::watch_count() const { return impl_->watch_count(); }

void KvGateway::allow_compaction(Compact compact) { impl_->allow_compaction(std::move(compact)); }

}  // namespace overlab::real
