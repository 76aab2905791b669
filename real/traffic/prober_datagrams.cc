// on_off: datagrams at a constant rate with exponentially distributed pauses.
#include <fmt/format.h>
#include <sys/socket.h>

#include <cmath>
#include <limits>

#include "models/base/check.h"
#include "real/traffic/prober_socket.h"
#include "real/traffic/worker.h"

namespace overlab::real {
namespace {

constexpr std::size_t batch = 64;

/// One draw with that mean, by inversion: -mean * ln(u), u in (0, 1].
Duration exponential(Rng& rng, Duration mean) {
    const double u = std::ldexp(static_cast<double>(rng.next()) + 1.0, -64);
    return {static_cast<std::int64_t>(-std::log(u) * static_cast<double>(mean.ns))};
}

class DatagramSender {
   public:
    DatagramSender(const DatagramTask& task, int control)
        : task_(task),
          clock_(task),
          control_(control),
          socket_(bind_datagrams(task, control, tally_)),
          to_(socket_address(task.to, task.port)),
          pacer_(task.payload_bytes, task.rate_bps),
          payloads_(batch * task.payload_bytes) {
        CHECK(task.rate_bps > 0 && task.payload_bytes >= message_head_bytes);
        for (std::size_t i = 0; i < batch; ++i) {
            parts_[i] = {.iov_base = payload(i).data(), .iov_len = task.payload_bytes};
            messages_[i].msg_hdr = {.msg_name = &to_,
                                    .msg_namelen = sizeof to_,
                                    .msg_iov = &parts_[i],
                                    .msg_iovlen = 1,
                                    .msg_control = nullptr,
                                    .msg_controllen = 0,
                                    .msg_flags = 0};
        }
    }

    FlowTally run();

   private:
    /// Sends from `begin_ns` on until `end_ns`; false if it was told to end.
    bool burst(std::int64_t begin_ns, std::int64_t end_ns);
    /// Sends what is due, at most a batch.
    void send_due(std::int64_t now_ns, std::int64_t end_ns);
    /// Until then; false if told to end.
    bool wait_until(std::int64_t instant_ns);
    void skip_arrears(std::int64_t now_ns);
    [[nodiscard]] std::span<std::uint8_t> payload(std::size_t i) {
        return std::span(payloads_).subspan(i * task_.payload_bytes, task_.payload_bytes);
    }

    const DatagramTask& task_;
    RunClock clock_;
    int control_;
    FlowTally tally_;
    Fd socket_;
    sockaddr_in to_;
    Pacer pacer_;
    std::vector<std::uint8_t> payloads_;
    std::array<iovec, batch> parts_{};
    std::array<mmsghdr, batch> messages_{};
    std::int64_t next_due_ns_ = 0, skipped_ns_ = 0;
};

FlowTally DatagramSender::run() {
    Bursts bursts(task_.seed, task_.name, task_.on, task_.off);
    const MeterSpan& span = task_.span;
    for (bool going_on = socket_.valid(); going_on;) {
        const auto [begin, end] = bursts.next();
        const std::int64_t length_ns = span.stop_ns - span.start_ns;
        const std::int64_t begin_ns = span.start_ns + std::min(begin.ns, length_ns);
        const std::int64_t end_ns = span.start_ns + std::min(end.ns, length_ns);
        going_on = begin_ns < span.stop_ns && burst(begin_ns, end_ns);
    }
    if (skipped_ns_ > 0) {
        tally_.remarks.push_back(fmt::format(
            "traffic {}: the sender could not keep up: it left out {} ms of its datagrams",
            task_.name, skipped_ns_ / 1'000'000));
    }
    return std::move(tally_);
}

bool DatagramSender::wait_until(std::int64_t instant_ns) {
    pollfd wake{.fd = control_, .events = POLLIN, .revents = 0};
    clock_.wait({&wake, 1}, instant_ns);
    return wake.revents == 0;
}

bool DatagramSender::burst(std::int64_t begin_ns, std::int64_t end_ns) {
    next_due_ns_ = std::max(next_due_ns_, begin_ns);
    while (next_due_ns_ < end_ns) {
        if (!wait_until(next_due_ns_)) return false;
        const std::int64_t now_ns = clock_.now_ns();
        if (now_ns < next_due_ns_) continue;
        // What is still due at the burst's end goes out late, unless that end is the flow's.
        if (now_ns >= task_.span.stop_ns) break;
        skip_arrears(now_ns);
        send_due(now_ns, end_ns);
    }
    return true;
}

void DatagramSender::skip_arrears(std::int64_t now_ns) {
    constexpr std::int64_t longest_arrears_ns = 100'000'000;
    const std::int64_t late_ns = now_ns - next_due_ns_;
    if (late_ns <= longest_arrears_ns) return;
    skipped_ns_ += late_ns;
    next_due_ns_ = now_ns;
}

void DatagramSender::send_due(std::int64_t now_ns, std::int64_t end_ns) {
    std::size_t count = 0;
    while (count < batch && next_due_ns_ <= now_ns && next_due_ns_ < end_ns) {
        MessageHead{tally_.sent + count, now_ns}.store(payload(count));
        next_due_ns_ += pacer_.next_gap_ns();
        ++count;
    }
    for (std::size_t done = 0; done < count;) {
        const int went = ::sendmmsg(socket_.get(), messages_.data() + done,
                                    static_cast<unsigned>(count - done), 0);
        // One that the kernel refuses (no route, a full queue) is lost like one that is dropped.
        done += went > 0 ? static_cast<std::size_t>(went) : 1;
    }
    tally_.sent += count;
}

class DatagramReceiver {
   public:
    DatagramReceiver(const DatagramTask& task, int control)
        : span_(task.span),
          clock_(task),
          control_(control),
          socket_(bind_datagrams(task, control, tally_)) {
        for (std::size_t i = 0; i < batch; ++i) {
            parts_[i] = {.iov_base = heads_[i].data(), .iov_len = heads_[i].size()};
            messages_[i].msg_hdr.msg_iov = &parts_[i];
            messages_[i].msg_hdr.msg_iovlen = 1;
        }
    }

    FlowTally run() {
        while (socket_.valid()) {
            std::array<pollfd, 2> fds{pollfd{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                                      pollfd{.fd = control_, .events = POLLIN, .revents = 0}};
            (void)::poll(fds.data(), fds.size(), -1);
            receive();
            if (fds[1].revents != 0) break;
        }
        tally_.latency = delays_.summary();
        tally_.jitter_ns = jitter_.ns();
        return std::move(tally_);
    }

   private:
    void receive() {
        // MSG_TRUNC: the length that it had, of which only the head is copied.
        const int count =
            ::recvmmsg(socket_.get(), messages_.data(), batch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
        const std::int64_t now_ns = clock_.now_ns();
        for (int i = 0; i < count; ++i) {
            const auto at = static_cast<std::size_t>(i);
            if (messages_[at].msg_len < message_head_bytes) continue;
            const std::int64_t sent_ns = MessageHead::load(heads_[at]).sent_ns;
            const std::int64_t delay_ns = now_ns - sent_ns;
            // A flow whose pods were late began later than was planned when this program started.
            if (tally_.received == 0) span_.start_ns = std::max(span_.start_ns, sent_ns);
            ++tally_.received;
            delays_.add(delay_ns);
            jitter_.add(delay_ns);
            tally_.delivered(span_, now_ns, messages_[at].msg_len);
        }
    }

    MeterSpan span_;
    RunClock clock_;
    int control_;
    FlowTally tally_;
    Fd socket_;
    std::array<std::array<std::uint8_t, message_head_bytes>, batch> heads_{};
    std::array<iovec, batch> parts_{};
    std::array<mmsghdr, batch> messages_{};
    LatencySamples delays_;
    Jitter jitter_;
};

}  // namespace

Bursts::Bursts(std::uint64_t seed, const std::string& flow, Duration on, Duration off)
    : rng_(Rng::stream(seed, flow + "/on-off")), on_(on), off_(off) {}

std::pair<Duration, Duration> Bursts::next() {
    if (on_.ns == 0 && off_.ns == 0) {
        const Duration forever{std::numeric_limits<std::int64_t>::max()};
        return {std::exchange(now_, forever), forever};
    }
    const Duration begin = now_;
    const Duration end = begin + exponential(rng_, on_);
    now_ = end + exponential(rng_, off_);
    return {begin, end};
}

FlowTally run_datagram_sender(const DatagramTask& task, int control) {
    prepare_to_send();
    return DatagramSender(task, control).run();
}

FlowTally run_datagram_receiver(const DatagramTask& task, int control) {
    prepare_to_send();
    return DatagramReceiver(task, control).run();
}

}  // namespace overlab::real
