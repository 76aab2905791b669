#include "real/store/http_client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "models/base/check.h"
#include "models/ports/runtime.h"
#include "real/store/curl_failure.h"

namespace overlab::real {
namespace {

constexpr std::size_t max_body_bytes = std::size_t{256} << 20;
/// Idle connections older than this are not used again: servers close theirs after a minute, and a
/// request that meets that moment has an unknown outcome.
constexpr long max_idle_s = 30;
/// A connection that is probed is given up when this much time brought no answer.
constexpr int dead_after_ms = 20'000;

/// curl's own set-up, counted by it.
struct CurlGlobal {
    CurlGlobal() { CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); }
    ~CurlGlobal() { curl_global_cleanup(); }
    CurlGlobal(const CurlGlobal&) = delete;
    CurlGlobal& operator=(const CurlGlobal&) = delete;
};

struct Transfer {
    HttpClient::Id id = 0;
    HttpRequest request;
    HttpClient::Done done;
    std::shared_ptr<HttpClient::Line> line;  ///< shared: it may destroy its own transfer
    CURL* easy = nullptr;
    curl_slist* headers = nullptr;
    std::size_t body_at = 0;
    bool body_begun = false;
    std::string received;
    std::array<char, CURL_ERROR_SIZE> error{};
    HttpClient::Counters* counters = nullptr;
    std::set<HttpClient::Id>* arrived = nullptr;

    Transfer() = default;
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer() {
        if (easy != nullptr) curl_easy_cleanup(easy);
        curl_slist_free_all(headers);
    }
    [[nodiscard]] long status() const {
        long code = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
        return code;
    }
};

template <typename Value>
void set_option(CURL* easy, CURLoption option, Value value) {
    CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

std::size_t read_body(char* to, std::size_t size, std::size_t count, void* context) {
    auto& transfer = *static_cast<Transfer*>(context);
    const std::string& body = transfer.request.body;
    const std::size_t part = std::min(size * count, body.size() - transfer.body_at);
    std::ranges::copy_n(body.begin() + static_cast<std::ptrdiff_t>(transfer.body_at),
                        static_cast<std::ptrdiff_t>(part), to);
    transfer.body_at += part;
    transfer.body_begun = true;
    transfer.counters->bytes_sent += part;
    return part;
}

/// curl goes back to the body's start when it repeats a request on a fresh connection.
int rewind_body(void* context, curl_off_t offset, int origin) {
    auto& transfer = *static_cast<Transfer*>(context);
    if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
    if (transfer.body_begun && !transfer.request.repeatable) return CURL_SEEKFUNC_FAIL;
    transfer.body_at = 0;
    return CURL_SEEKFUNC_OK;
}

std::size_t take_body(char* from, std::size_t size, std::size_t count, void* context) {
    auto& transfer = *static_cast<Transfer*>(context);
    const std::size_t bytes = size * count;
    transfer.counters->bytes_received += bytes;
    if (transfer.received.size() + bytes > max_body_bytes) return 0;
    transfer.received.append(from, bytes);
    if (transfer.line) transfer.arrived->insert(transfer.id);
    return bytes;
}

curl_socket_t open_socket(void* context, curlsocktype, curl_sockaddr* address) {
    std::optional<NetnsScope> there;
    if (const auto* netns = static_cast<const Netns*>(context)) there.emplace(*netns);
    const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0) return CURL_SOCKET_BAD;
    // Only ends a wait sooner: the request limit catches what this does not.
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_after_ms, sizeof dead_after_ms);
    return fd;
}

long to_ms(Duration span) { return static_cast<long>((span.ns + 999'999) / 1'000'000); }

void set_tls(CURL* easy, const HttpOptions& options) {
    set_option(easy, CURLOPT_CERTINFO, 1L);  // for the message, if it is refused
    if (!options.ca_file.empty()) set_option(easy, CURLOPT_CAINFO, options.ca_file.c_str());
    if (options.cert_file.empty()) return;
    set_option(easy, CURLOPT_SSLCERT, options.cert_file.c_str());
    set_option(easy, CURLOPT_SSLKEY, options.key_file.c_str());
}

void set_transport(CURL* easy, const HttpOptions& options) {
    set_option(easy, CURLOPT_NOSIGNAL, 1L);
    // An environment's proxy is not for a cluster's store.
    set_option(easy, CURLOPT_PROXY, "");
    set_option(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set_option(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set_option(easy, CURLOPT_CONNECTTIMEOUT_MS, to_ms(options.connect_timeout));
    set_option(easy, CURLOPT_MAXAGE_CONN, max_idle_s);
    set_option(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    const long probe_after_s = to_ms(options.probe_after) / 1000;
    set_option(easy, CURLOPT_TCP_KEEPIDLE, probe_after_s);
    set_option(easy, CURLOPT_TCP_KEEPINTVL, probe_after_s);
    set_option(easy, CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    set_option(easy, CURLOPT_OPENSOCKETDATA, options.netns);
    set_tls(easy, options);
}

void set_request(Transfer& transfer) {
    CURL* easy = transfer.easy;
    set_option(easy, CURLOPT_URL, transfer.request.url.c_str());
    set_option(easy, CURLOPT_POST, 1L);
    set_option(easy, CURLOPT_POSTFIELDSIZE_LARGE,
               static_cast<curl_off_t>(transfer.request.body.size()));
    set_option(easy, CURLOPT_READFUNCTION, &read_body);
    set_option(easy, CURLOPT_READDATA, &transfer);
    set_option(easy, CURLOPT_SEEKFUNCTION, &rewind_body);
    set_option(easy, CURLOPT_SEEKDATA, &transfer);
    set_option(easy, CURLOPT_WRITEFUNCTION, &take_body);
    set_option(easy, CURLOPT_WRITEDATA, &transfer);
    set_option(easy, CURLOPT_ERRORBUFFER, transfer.error.data());
    if (transfer.request.limit.ns > 0)
        set_option(easy, CURLOPT_TIMEOUT_MS, to_ms(transfer.request.limit));
    const auto add = [&](const std::string& header) {
        transfer.headers = curl_slist_append(transfer.headers, header.c_str());
        CHECK(transfer.headers != nullptr);
    };
    add("Content-Type: application/json");
    add("Expect:");  // else a large body waits a second for a "100 Continue" that etcd never sends
    for (const std::string& header : transfer.request.headers) add(header);
    set_option(easy, CURLOPT_HTTPHEADER, transfer.headers);
}

}  // namespace

class HttpClient::Impl {
   public:
    Impl(EventLoop& loop, HttpOptions options)
        : loop_(loop), options_(std::move(options)), timer_(loop), multi_(curl_multi_init()) {
        CHECK(multi_ != nullptr);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Impl::socket_changed);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Impl::timer_changed);
        curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        alive_.reset();
        for (auto& [id, transfer] : transfers_) curl_multi_remove_handle(multi_, transfer->easy);
        transfers_.clear();
        curl_multi_cleanup(multi_);
    }

    Id post(HttpRequest request, Done done, Line line) {
        auto transfer = std::make_unique<Transfer>();
        transfer->id = ++last_id_;
        transfer->request = std::move(request);
        transfer->done = std::move(done);
        if (line) transfer->line = std::make_shared<Line>(std::move(line));
        transfer->counters = &counters;
        transfer->arrived = &arrived_;
        transfer->easy = curl_easy_init();
        CHECK(transfer->easy != nullptr);
        set_transport(transfer->easy, options_);
        set_request(*transfer);
        set_option(transfer->easy, CURLOPT_PRIVATE, transfer.get());
        ++counters.requests;
        // Starts with curl's timer, hence never inside this call.
        CHECK(curl_multi_add_handle(multi_, transfer->easy) == CURLM_OK);
        transfers_.emplace(transfer->id, std::move(transfer));
        return last_id_;
    }

    void cancel(Id id) {
        const auto found = transfers_.find(id);
        if (found == transfers_.end()) return;
        curl_multi_remove_handle(multi_, found->second->easy);
        transfers_.erase(found);
        arrived_.erase(id);
    }

    Counters counters;

   private:
    struct Socket {
        EventLoop::Watch read, write;
    };

    static int socket_changed(CURL*, curl_socket_t fd, int what, void* context, void*) {
        static_cast<Impl*>(context)->watch_socket(fd, what);
        return 0;
    }
    static int timer_changed(CURLM*, long timeout_ms, void* context) {
        auto& self = *static_cast<Impl*>(context);
        if (timeout_ms < 0) {
            self.timer_.stop();
        } else {
            self.timer_.start(milliseconds(timeout_ms),
                              [&self] { self.act(CURL_SOCKET_TIMEOUT, 0); });
        }
        return 0;
    }

    void watch_socket(curl_socket_t fd, int what) {
        if (what == CURL_POLL_REMOVE) {
            sockets_.erase(fd);
            return;
        }
        const bool read = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
        const bool write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
        Socket& socket = sockets_[fd];
        socket = {};
        if (read) {
            socket.read = loop_.watch(fd, EventLoop::Interest::read,
                                      [this, fd] { act(fd, CURL_CSELECT_IN); });
        }
        if (write) {
            socket.write = loop_.watch(fd, EventLoop::Interest::write,
                                       [this, fd] { act(fd, CURL_CSELECT_OUT); });
        }
    }

    void act(curl_socket_t fd, int events) {
        int running = 0;
        CHECK(curl_multi_socket_action(multi_, fd, events, &running) == CURLM_OK);
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            char* transfer = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            const Id id = reinterpret_cast<Transfer*>(transfer)->id;
            finished_.emplace_back(id, static_cast<int>(message->data.result));
        }
        tell();
    }

    /// Runs callbacks, outside of curl. Each of them may destroy us.
    void tell() {
        const std::weak_ptr<void> alive = alive_;
        while (!alive.expired() && (!arrived_.empty() || !finished_.empty())) {
            if (!arrived_.empty()) {
                const Id id = *arrived_.begin();
                arrived_.erase(arrived_.begin());
                tell_lines(id);
            } else {
                const auto [id, code] = finished_.front();
                finished_.pop_front();
                tell_end(id, code);
            }
        }
    }

    void tell_lines(Id id) {
        const auto found = transfers_.find(id);
        if (found == transfers_.end() || found->second->status() != 200) return;
        std::string& received = found->second->received;
        const std::size_t end = received.rfind('\n');
        if (end == std::string::npos) return;
        const std::string lines = received.substr(0, end + 1);
        received.erase(0, end + 1);
        const std::shared_ptr<Line> line = found->second->line;
        const std::weak_ptr<void> alive = alive_;
        for (std::size_t at = 0; at < lines.size();) {
            const std::size_t stop = lines.find('\n', at);
            (*line)(std::string_view(lines).substr(at, stop - at));
            at = stop + 1;
            if (alive.expired() || !transfers_.contains(id)) return;
        }
    }

    void tell_end(Id id, int code) {
        const auto found = transfers_.find(id);
        if (found == transfers_.end()) return;
        const std::unique_ptr<Transfer> transfer = std::move(found->second);
        transfers_.erase(found);
        HttpOutcome outcome;
        long header_bytes = 0;
        long request_bytes = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &header_bytes);
        curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
        counters.bytes_received += static_cast<std::uint64_t>(header_bytes);
        counters.bytes_sent += static_cast<std::uint64_t>(request_bytes);
        outcome.sent = transfer->body_begun;
        if (code == CURLE_OK) {
            outcome.status = static_cast<int>(transfer->status());
            ++counters.responses;
        } else {
            outcome.failure =
                describe_curl_failure(transfer->easy, code, transfer->error.data(),
                                      {.tls = transfer->request.url.starts_with("https:"),
                                       .client_certificate = !options_.cert_file.empty(),
                                       .connect_timeout = options_.connect_timeout,
                                       .request_timeout = transfer->request.limit});
        }
        outcome.body = std::move(transfer->received);
        curl_multi_remove_handle(multi_, transfer->easy);
        transfer->done(std::move(outcome));
    }

    CurlGlobal global_;
    EventLoop& loop_;
    HttpOptions options_;
    Timer timer_;
    CURLM* multi_;
    Id last_id_ = 0;
    std::map<curl_socket_t, Socket> sockets_;
    std::map<Id, std::unique_ptr<Transfer>> transfers_;
    std::set<Id> arrived_;  ///< transfers with new bytes to be told of
    std::deque<std::pair<Id, int>> finished_;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

HttpClient::HttpClient(EventLoop& loop, HttpOptions options)
    : impl_(std::make_unique<Impl>(loop, std::move(options))) {}
HttpClient::~HttpClient() = default;

HttpClient::Id HttpClient::post(HttpRequest request, Done done, Line line) {
    return impl_->post(std::move(request), std::move(done), std::move(line));
}

void HttpClient::cancel(Id id) { impl_->cancel(id); }

const HttpClient::Counters& HttpClient::counters() const { return impl_->counters; }

}  // namespace overlab::real
