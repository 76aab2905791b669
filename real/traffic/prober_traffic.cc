// The flows that our own programs make: one worker in each pod.
#include <memory>
#include <optional>
#include <utility>

#include "real/traffic/timed_traffic.h"

namespace overlab::real {
namespace {

/// A datagram may be under way for so long after its flow's end.
constexpr Duration datagram_drain = seconds(1);

class ProberTraffic final : public TimedTraffic {
   public:
    ProberTraffic(EventLoop& loop, const TrafficSpec& spec, RealTrafficSetup setup,
                  Duration answer_timeout)
        : TimedTraffic(loop, spec, std::move(setup)),
          answer_timeout_(answer_timeout),
          drain_timer_(loop) {}

   private:
    using Kind = TrafficSpec::Kind;

    Result<void> start_servers() override;
    Result<void> begin() override;
    void abandon() override {
        client_.reset();
        server_.reset();
    }

    [[nodiscard]] Worker::Body server_body();
    [[nodiscard]] Worker::Body client_body();
    [[nodiscard]] RequestTask request_task() const;
    [[nodiscard]] DatagramTask datagram_task();
    void client_ended(std::optional<FlowTally> tally);
    void server_ended(std::optional<FlowTally> tally);
    void conclude();
    [[nodiscard]] bool is_transfer() const { return spec().kind == Kind::tcp; }

    Duration answer_timeout_;
    std::unique_ptr<Worker> client_, server_;
    Timer drain_timer_;
};

RequestTask ProberTraffic::request_task() const {
    RequestTask request{task()};
    request.request_bytes = spec().request_bytes;
    request.response_bytes = spec().response_bytes;
    request.interval = spec().interval;
    request.answer_timeout = answer_timeout_;
    return request;
}

DatagramTask ProberTraffic::datagram_task() {
    DatagramTask datagrams{task()};
    datagrams.payload_bytes = payload_bytes();
    datagrams.rate_bps = spec().rate_bps;
    datagrams.on = spec().on;
    datagrams.off = spec().off;
    datagrams.seed = setup().seed;
    return datagrams;
}

Worker::Body ProberTraffic::server_body() {
    if (spec().kind == Kind::on_off) {
        return [task = DatagramTask{task()}](int control) {
            return run_datagram_receiver(task, control);
        };
    }
    if (spec().kind == Kind::request_response && !spec().over_tcp) {
        return
            [task = request_task()](int control) { return run_udp_request_server(task, control); };
    }
    StreamServerTask streams{task()};
    if (!is_transfer()) {
        streams.request_bytes = std::max(spec().request_bytes, 1U);
        streams.response_bytes = std::max(spec().response_bytes, 1U);
    }
    return [streams](int control) { return run_stream_server(streams, control); };
}

Worker::Body ProberTraffic::client_body() {
    if (spec().kind == Kind::on_off) {
        return [task = datagram_task()](int control) { return run_datagram_sender(task, control); };
    }
    if (is_transfer()) {
        TransferTask transfer{task()};
        transfer.bytes = spec().bytes;
        transfer.streams = spec().streams;
        return [transfer](int control) { return run_transfer_client(transfer, control); };
    }
    if (spec().over_tcp) {
        return
            [task = request_task()](int control) { return run_tcp_request_client(task, control); };
    }
    return [task = request_task()](int control) { return run_udp_request_client(task, control); };
}

Result<void> ProberTraffic::start_servers() {
    OVERLAB_TRY(server_, Worker::start(loop(), setup().to.netns, server_body(),
                                       [this](std::optional<FlowTally> tally) {
                                           server_ended(std::move(tally));
                                       }));
    return {};
}

Result<void> ProberTraffic::begin() {
    OVERLAB_TRY(client_, Worker::start(loop(), setup().from.netns, client_body(),
                                       [this](std::optional<FlowTally> tally) {
                                           client_ended(std::move(tally));
                                       }));
    return {};
}

void ProberTraffic::client_ended(std::optional<FlowTally> tally) {
    charge(client_->status(), true);
    if (tally) {
        tally_.merge(*tally);
    } else {
        warn(fmt::format("its client died ({}); what it counted is missing",
                         client_->status()->to_string()));
    }
    if (!server_->running()) return conclude();
    const bool wait = spec().kind == Kind::on_off;
    drain_timer_.start(wait ? datagram_drain : Duration{}, [this] { server_->ask_to_end(); });
}

void ProberTraffic::server_ended(std::optional<FlowTally> tally) {
    charge(server_->status(), false);
    if (tally) {
        tally_.merge(*tally);
    } else {
        warn(fmt::format("its server died ({}); what it counted is missing",
                         server_->status()->to_string()));
    }
    if (client_ == nullptr || !client_->running()) conclude();
}

void ProberTraffic::conclude() {
    if (finished()) return;
    if (spec().kind == Kind::on_off) {
        tally_.lost = tally_.sent - std::min(tally_.sent, tally_.received);
    }
    complete_ = is_transfer() && tally_.bytes >= spec().bytes;
    finish();
}

}  // namespace

std::unique_ptr<TimedTraffic> make_prober_traffic(EventLoop& loop, const TrafficSpec& spec,
                                                  RealTrafficSetup setup, Duration answer_timeout) {
    return std::make_unique<ProberTraffic>(loop, spec, std::move(setup), answer_timeout);
}

}  // namespace overlab::real
