// What goes over TCP: request_response on one connection, the transfer of a fixed amount, and the
// server of both.
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "models/base/check.h"
#include "real/traffic/prober_socket.h"
#include "real/traffic/worker.h"

namespace overlab::real {
namespace {

constexpr std::int64_t drain_ns = 1'000'000'000;  ///< for answers under way at the end

void remark_loss(const ProgramTask& task, std::int64_t now_ns, FlowTally& tally) {
    constexpr std::size_t enough = 1;
    if (tally.remarks.size() >= enough) return;
    tally.remarks.push_back(
        fmt::format("traffic {}: a connection failed or was lost at {} ms; it connected again",
                    task.name, now_ns / 1'000'000));
}

short interest(bool write) { return static_cast<short>(POLLIN | (write ? POLLOUT : 0)); }

// --- requests ------------------------------------------------------------------------------------

class TcpRequestClient {
   public:
    TcpRequestClient(const RequestTask& task, int control)
        : task_(task),
          clock_(task),
          control_(control),
          connection_(task),
          next_due_ns_(task.span.start_ns) {
        CHECK(task.request_bytes > 0 && task.response_bytes > 0);
    }

    FlowTally run();

   private:
    void ask_due();
    void ask(std::int64_t due_ns);
    void flush();
    void take_answers();
    void lost();
    [[nodiscard]] bool back_to_back() const { return task_.interval.ns == 0; }
    [[nodiscard]] std::int64_t wake_at_ns(bool stopping) const;

    const RequestTask& task_;
    RunClock clock_;
    int control_;
    FlowTally tally_;
    StreamConnection connection_;
    std::int64_t next_due_ns_;
    std::deque<std::int64_t> open_;  ///< when requests without an answer were due, oldest first
    std::uint64_t unsent_bytes_ = 0, answer_bytes_ = 0;
    LatencySamples latencies_;
};

FlowTally TcpRequestClient::run() {
    bool stopping = false;
    for (;;) {
        if (connection_.advance()) {
            // A fresh connection starts now: what was due before it was there was never asked.
            while (!back_to_back() && next_due_ns_ < clock_.now_ns()) {
                next_due_ns_ += task_.interval.ns;
            }
        }
        if (!stopping) ask_due();
        const std::int64_t now_ns = clock_.now_ns();
        if (stopping && (open_.empty() || now_ns >= task_.span.stop_ns + drain_ns)) break;
        const bool write = connection_.connecting() || unsent_bytes_ > 0;
        std::array<pollfd, 2> fds{
            pollfd{.fd = connection_.fd(), .events = interest(write), .revents = 0},
            pollfd{.fd = control_, .events = POLLIN, .revents = 0}};
        if (!connection_.connected()) fds[0].events = connection_.connecting() ? POLLOUT : short{0};
        clock_.wait({fds.data(), stopping ? std::size_t{1} : fds.size()}, wake_at_ns(stopping));
        flush();
        take_answers();
        if (fds[1].revents != 0 || clock_.now_ns() >= task_.span.stop_ns) stopping = true;
    }
    connection_.close();
    connection_.report(tally_);
    tally_.latency = latencies_.summary();
    return std::move(tally_);
}

std::int64_t TcpRequestClient::wake_at_ns(bool stopping) const {
    std::int64_t wake = stopping ? task_.span.stop_ns + drain_ns : task_.span.stop_ns;
    wake = std::min(wake, connection_.next_try_ns());
    if (!stopping && connection_.connected() && !back_to_back())
        wake = std::min(wake, next_due_ns_);
    return wake;
}

void TcpRequestClient::ask_due() {
    if (!connection_.connected()) return;
    if (back_to_back()) {
        if (open_.empty()) ask(clock_.now_ns());
        return;
    }
    while (next_due_ns_ < task_.span.stop_ns && next_due_ns_ <= clock_.now_ns()) {
        // With a full send buffer an instant is left out, as an application that would block does.
        if (unsent_bytes_ == 0) ask(next_due_ns_);
        if (!connection_.connected()) return;
        next_due_ns_ += task_.interval.ns;
    }
}

void TcpRequestClient::ask(std::int64_t due_ns) {
    open_.push_back(due_ns);
    ++tally_.sent;
    unsent_bytes_ += task_.request_bytes;
    flush();
}

void TcpRequestClient::flush() {
    if (!connection_.connected() || unsent_bytes_ == 0) return;
    const auto written = write_zeros(connection_.fd(), unsent_bytes_);
    if (!written) return lost();
    unsent_bytes_ -= *written;
}

void TcpRequestClient::take_answers() {
    if (!connection_.connected()) return;
    const Swallowed read = swallow(connection_.fd());
    answer_bytes_ += read.bytes;
    const std::int64_t now_ns = clock_.now_ns();
    for (; answer_bytes_ >= task_.response_bytes && !open_.empty();
         answer_bytes_ -= task_.response_bytes) {
        ++tally_.received;
        latencies_.add(now_ns - open_.front());
        open_.pop_front();
        tally_.delivered(task_.span, now_ns,
                         std::uint64_t{task_.request_bytes} + task_.response_bytes);
    }
    if (read.ended) lost();
}

void TcpRequestClient::lost() {
    connection_.lost();
    remark_loss(task_, clock_.now_ns(), tally_);
    tally_.lost += open_.size();
    open_.clear();
    unsent_bytes_ = answer_bytes_ = 0;
}

// --- transfer ------------------------------------------------------------------------------------

class TransferClient {
   public:
    TransferClient(const TransferTask& task, int control)
        : task_(task), clock_(task), control_(control) {
        const unsigned count = std::max(task.streams, 1U);
        for (unsigned i = 0; i < count; ++i) {
            const std::uint64_t share =
                task.bytes / count + (i < task.bytes % count ? std::uint64_t{1} : 0);
            streams_.push_back({.connection = StreamConnection(task), .share = share});
        }
    }

    FlowTally run();

   private:
    struct Stream {
        StreamConnection connection;
        std::uint64_t share = 0, left = 0;
        bool finished = false;
    };
    /// Moves one stream on.
    void advance(Stream& stream);
    void wait();

    const TransferTask& task_;
    RunClock clock_;
    int control_;
    FlowTally tally_;
    std::vector<Stream> streams_;
};

FlowTally TransferClient::run() {
    while (clock_.now_ns() < task_.span.stop_ns && !readable(control_)) {
        for (Stream& stream : streams_) advance(stream);
        if (std::ranges::all_of(streams_, &Stream::finished)) break;
        wait();
    }
    for (Stream& stream : streams_) {
        stream.connection.close();
        stream.connection.report(tally_);
    }
    return std::move(tally_);
}

void TransferClient::advance(Stream& stream) {
    if (stream.finished) return;
    StreamConnection& connection = stream.connection;
    // A fresh connection starts afresh: what was in a lost one may not have arrived.
    if (connection.advance()) stream.left = stream.share;
    if (!connection.connected()) return;
    const bool had_more = stream.left > 0;
    const auto written = write_zeros(connection.fd(), stream.left);
    if (written) stream.left -= *written;
    if (written && stream.left == 0 && (had_more || stream.share == 0)) {
        ::shutdown(connection.fd(), SHUT_WR);
    }
    // The server closes once it has read the end: then everything has arrived.
    const bool ended = written && swallow(connection.fd()).ended;
    if (ended && stream.left == 0) {
        stream.finished = true;
        connection.close();
    } else if (!written || ended) {
        connection.lost();
        remark_loss(task_, clock_.now_ns(), tally_);
    }
}

void TransferClient::wait() {
    std::vector<pollfd> fds{{.fd = control_, .events = POLLIN, .revents = 0}};
    std::int64_t wake_ns = task_.span.stop_ns;
    for (const Stream& stream : streams_) {
        if (stream.finished) continue;
        const bool write = stream.connection.connecting() || stream.left > 0;
        if (stream.connection.fd() >= 0) {
            fds.push_back({.fd = stream.connection.fd(), .events = interest(write), .revents = 0});
        }
        wake_ns = std::min(wake_ns, stream.connection.next_try_ns());
    }
    clock_.wait(fds, wake_ns);
}

// --- server --------------------------------------------------------------------------------------

class StreamServer {
   public:
    StreamServer(const StreamServerTask& task, int control)
        : task_(task),
          span_(task.span),
          clock_(task),
          control_(control),
          listener_(listen_streams(task, control, tally_)) {}

    FlowTally run();

   private:
    static constexpr std::size_t most_connections = 1024;
    struct Connection {
        Fd socket;
        std::uint64_t request_bytes = 0, unsent_bytes = 0;
        bool ended = false;
    };
    void accept();
    void serve(Connection& connection);
    [[nodiscard]] bool answers() const { return task_.response_bytes > 0; }

    const StreamServerTask& task_;
    MeterSpan span_;
    RunClock clock_;
    int control_;
    FlowTally tally_;
    Fd listener_;
    std::vector<Connection> connections_;
};

FlowTally StreamServer::run() {
    while (listener_.valid()) {
        std::vector<pollfd> fds{{.fd = control_, .events = POLLIN, .revents = 0},
                                {.fd = listener_.get(), .events = POLLIN, .revents = 0}};
        for (const Connection& connection : connections_) {
            // One whose answers do not go reads no further requests.
            const bool write = connection.unsent_bytes > 0;
            fds.push_back({.fd = connection.socket.get(),
                           .events = static_cast<short>(write ? POLLOUT : POLLIN),
                           .revents = 0});
        }
        (void)::poll(fds.data(), fds.size(), -1);
        if (fds[0].revents != 0) break;
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            if (fds[i + 2].revents != 0) serve(connections_[i]);
        }
        std::erase_if(connections_, [](const Connection& connection) { return connection.ended; });
        if (fds[1].revents != 0) accept();
    }
    return std::move(tally_);
}

void StreamServer::accept() {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid() || connections_.size() >= most_connections) return;
    const int on = 1;
    (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // A flow whose pods were late began later than was planned when this program started.
    if (tally_.first_ns < 0) span_.start_ns = std::max(span_.start_ns, clock_.now_ns());
    connections_.push_back({.socket = std::move(socket)});
}

void StreamServer::serve(Connection& connection) {
    if (connection.unsent_bytes == 0) {
        const Swallowed read = swallow(connection.socket.get());
        connection.ended = read.ended;
        if (!answers()) return tally_.delivered(span_, clock_.now_ns(), read.bytes);
        connection.request_bytes += read.bytes;
        const std::uint64_t asked = connection.request_bytes / task_.request_bytes;
        connection.request_bytes %= task_.request_bytes;
        connection.unsent_bytes = asked * task_.response_bytes;
    }
    const auto written = write_zeros(connection.socket.get(), connection.unsent_bytes);
    connection.ended = connection.ended || !written;
    if (written) connection.unsent_bytes -= *written;
}

}  // namespace

FlowTally run_tcp_request_client(const RequestTask& task, int control) {
    prepare_to_measure();
    return TcpRequestClient(task, control).run();
}

FlowTally run_transfer_client(const TransferTask& task, int control) {
    return TransferClient(task, control).run();
}

FlowTally run_stream_server(const StreamServerTask& task, int control) {
    CHECK((task.request_bytes > 0) == (task.response_bytes > 0));
    if (task.response_bytes > 0) prepare_to_measure();
    return StreamServer(task, control).run();
}

}  // namespace overlab::real
