// request_response over UDP.
#include <sys/socket.h>

#include <deque>
#include <limits>

#include "real/traffic/prober_socket.h"
#include "real/traffic/worker.h"

namespace overlab::real {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

class UdpRequestClient {
   public:
    UdpRequestClient(const RequestTask& task, int control)
        : task_(task),
          clock_(task),
          control_(control),
          socket_(bind_datagrams(task, control, tally_)),
          to_(socket_address(task.to, task.port)),
          request_(std::max(task.request_bytes, message_head_bytes)),
          response_(std::size_t{1} << 16),
          next_due_ns_(task.span.start_ns) {}

    FlowTally run();

   private:
    struct Request {
        std::int64_t due_ns, sent_ns;
        bool answered = false;
    };

    void send_due();
    void ask(std::int64_t due_ns);
    void take_answers();
    void answered(const MessageHead& head);
    void expire();
    /// Leaves the front of open_, in order.
    void settle_front(bool lost);
    [[nodiscard]] bool back_to_back() const { return task_.interval.ns == 0; }
    [[nodiscard]] std::int64_t wake_at_ns() const;

    const RequestTask& task_;
    RunClock clock_;
    int control_;
    FlowTally tally_;
    Fd socket_;
    sockaddr_in to_;
    std::vector<std::uint8_t> request_, response_;
    std::int64_t next_due_ns_;
    std::uint64_t first_open_ = 0;  ///< the number of open_.front()
    std::deque<Request> open_;
    LatencySamples latencies_;
    Gaps gaps_;
};

FlowTally UdpRequestClient::run() {
    bool stopping = !socket_.valid();
    while (!stopping || (!open_.empty() && socket_.valid())) {
        if (!stopping) send_due();
        std::array<pollfd, 2> fds{pollfd{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = control_, .events = POLLIN, .revents = 0}};
        // Once told to stop, its descriptor would end every wait.
        clock_.wait({fds.data(), stopping ? std::size_t{1} : fds.size()}, wake_at_ns());
        take_answers();
        expire();
        if (fds[1].revents != 0 || clock_.now_ns() >= task_.span.stop_ns) stopping = true;
    }
    tally_.latency = latencies_.summary();
    gaps_.report(tally_);
    return std::move(tally_);
}

std::int64_t UdpRequestClient::wake_at_ns() const {
    const std::int64_t now_ns = clock_.now_ns();
    std::int64_t wake = now_ns < task_.span.stop_ns ? task_.span.stop_ns : never;
    if (!back_to_back() && next_due_ns_ < task_.span.stop_ns) wake = std::min(wake, next_due_ns_);
    if (!open_.empty()) wake = std::min(wake, open_.front().sent_ns + task_.answer_timeout.ns);
    // Told to stop early: what was due is due no more.
    return std::min(wake, now_ns + 1'000'000'000);
}

void UdpRequestClient::send_due() {
    if (back_to_back()) {
        const std::int64_t now_ns = clock_.now_ns();
        if (open_.empty() && now_ns < task_.span.stop_ns && now_ns >= task_.span.start_ns)
            ask(now_ns);
        return;
    }
    constexpr int most_at_once = 64;  // then answers get their turn
    for (int i = 0; i < most_at_once; ++i) {
        if (next_due_ns_ >= task_.span.stop_ns || clock_.now_ns() < next_due_ns_) return;
        ask(next_due_ns_);
        next_due_ns_ += task_.interval.ns;
    }
}

void UdpRequestClient::ask(std::int64_t due_ns) {
    const std::int64_t now_ns = clock_.now_ns();
    MessageHead{first_open_ + open_.size(), now_ns}.store(request_);
    open_.push_back({.due_ns = due_ns, .sent_ns = now_ns});
    tally_.worst_late_ns = std::max(tally_.worst_late_ns, now_ns - due_ns);
    ++tally_.sent;
    // One that the kernel would not take gets no answer, and so counts as lost.
    (void)::sendto(socket_.get(), request_.data(), request_.size(), MSG_DONTWAIT,
                   reinterpret_cast<const sockaddr*>(&to_), sizeof to_);
}

void UdpRequestClient::take_answers() {
    for (;;) {
        const ssize_t size =
            ::recv(socket_.get(), response_.data(), response_.size(), MSG_DONTWAIT);
        if (size < 0) return;
        if (static_cast<std::size_t>(size) < message_head_bytes) continue;
        answered(MessageHead::load(response_));
        if (back_to_back()) return;
    }
}

void UdpRequestClient::answered(const MessageHead& head) {
    // Too late (lost already), or not ours.
    if (head.number < first_open_ || head.number - first_open_ >= open_.size()) return;
    Request& request = open_[head.number - first_open_];
    if (request.answered) return;
    request.answered = true;
    const std::int64_t now_ns = clock_.now_ns();
    ++tally_.received;
    latencies_.add(now_ns - request.due_ns);
    tally_.delivered(task_.span, now_ns,
                     request_.size() + std::max(task_.response_bytes, message_head_bytes));
    while (!open_.empty() && open_.front().answered) settle_front(false);
}

void UdpRequestClient::expire() {
    const std::int64_t now_ns = clock_.now_ns();
    while (!open_.empty() &&
           (open_.front().answered || open_.front().sent_ns + task_.answer_timeout.ns <= now_ns)) {
        settle_front(!open_.front().answered);
    }
}

void UdpRequestClient::settle_front(bool lost) {
    gaps_.probe(open_.front().sent_ns, lost);
    if (lost) ++tally_.lost;
    open_.pop_front();
    ++first_open_;
}

}  // namespace

FlowTally run_udp_request_client(const RequestTask& task, int control) {
    prepare_to_measure();
    return UdpRequestClient(task, control).run();
}

FlowTally run_udp_request_server(const RequestTask& task, int control) {
    prepare_to_measure();
    FlowTally tally;
    const Fd socket = bind_datagrams(task, control, tally);
    std::vector<std::uint8_t> request(std::size_t{1} << 16);
    std::vector<std::uint8_t> response(std::max(task.response_bytes, message_head_bytes));
    while (socket.valid()) {
        std::array<pollfd, 2> fds{pollfd{.fd = socket.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = control, .events = POLLIN, .revents = 0}};
        (void)::poll(fds.data(), fds.size(), -1);
        if (fds[1].revents != 0) break;
        sockaddr_in from{};
        socklen_t from_size = sizeof from;
        const ssize_t size = ::recvfrom(socket.get(), request.data(), request.size(), MSG_DONTWAIT,
                                        reinterpret_cast<sockaddr*>(&from), &from_size);
        if (size < static_cast<ssize_t>(message_head_bytes)) continue;
        std::copy_n(request.begin(), message_head_bytes, response.begin());
        // An answer that does not go is a loss that the client sees.
        (void)::sendto(socket.get(), response.data(), response.size(), MSG_DONTWAIT,
                       reinterpret_cast<const sockaddr*>(&from), from_size);
    }
    return tally;
}

}  // namespace overlab::real
