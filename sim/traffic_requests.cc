// request_response: a client asks, a server answers, the client takes the time.
//
// Back to back (interval 0): the next request leaves when the answer is there. With an interval:
// requests leave on time whatever the answers do. Over UDP an answer that has not come after a
// second counts as lost; over TCP nothing is lost, only late. Bytes delivered are those of requests
// and answers of completed exchanges.
#include <fmt/format.h>
#include <ns3/inet-socket-address.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>

#include "models/net/flow_hash.h"
#include "models/net/wire.h"
#include "sim/tcp_client.h"
#include "sim/tcp_server.h"
#include "sim/traffic_message.h"
#include "sim/traffic_program.h"
#include "sim/traffic_readers.h"

namespace overlab::sim {
namespace {

constexpr std::int64_t answer_timeout_ns = 1'000'000'000;

/// Counts exchanges; the same for both transports.
class ExchangeLog {
   public:
    ExchangeLog(const ProgramSetup& setup, std::uint32_t request_bytes,
                std::uint32_t response_bytes)
        : meter_(setup.new_meter()), bytes_each_(request_bytes + response_bytes) {}

    void asked() { ++asked_; }
    void lost(std::uint64_t count) { lost_ += count; }
    void answered(std::int64_t now_ns, std::int64_t asked_ns) {
        ++answered_;
        latencies_.add(now_ns - asked_ns);
        meter_.delivered(now_ns, bytes_each_);
    }
    void report(FlowReport& report) const {
        meter_.report(false, report);
        report.packets_sent = asked_;
        report.packets_received = answered_;
        report.packets_lost = lost_;
        report.latency = latencies_.summary();
    }

   private:
    DeliveryMeter meter_;
    std::uint64_t bytes_each_;
    LatencySamples latencies_;
    std::uint64_t asked_ = 0, answered_ = 0, lost_ = 0;
};

std::uint32_t message_size(const ProgramSetup& setup, std::uint32_t wanted) {
    if (wanted >= TrafficMessage::bytes) return wanted;
    setup.remarks.push_back(
        fmt::format("traffic {}: messages of {} bytes carry {}: a number and a time",
                    setup.spec.name, wanted, TrafficMessage::bytes));
    return TrafficMessage::bytes;
}

// --- over UDP ------------------------------------------------------------------------------------

class UdpRequests final : public TrafficProgram {
   public:
    explicit UdpRequests(const ProgramSetup& setup);

    void stop() override { stopped_ = true; }
    void report(FlowReport& report) const override { log_.report(report); }

   private:
    void ask();
    void answer(const ns3::Packet& request, const ns3::Address& client);
    void answered(const ns3::Packet& response);
    void expire();
    void watch_oldest();
    [[nodiscard]] bool back_to_back() const { return setup_.spec.interval.ns == 0; }
    [[nodiscard]] std::int64_t now_ns() const { return setup_.engine().now_ns(); }

    ProgramSetup setup_;
    std::uint32_t request_bytes_, response_bytes_;
    ExchangeLog log_;
    ns3::Ptr<ns3::Socket> client_, server_;
    std::unique_ptr<UdpReader> client_reader_, server_reader_;
    bool stopped_ = false;
    std::uint64_t next_number_ = 0;
    std::map<std::uint64_t, std::int64_t> open_;  ///< number -> when asked
    Alarm ask_alarm_, timeout_alarm_;
};

UdpRequests::UdpRequests(const ProgramSetup& setup)
    : setup_(setup),
      request_bytes_(message_size(setup, setup.spec.request_bytes)),
      response_bytes_(message_size(setup, setup.spec.response_bytes)),
      log_(setup, request_bytes_, response_bytes_),
      client_(setup.from().new_udp_socket()),
      server_(setup.to().new_udp_socket()),
      ask_alarm_(setup.engine(), [this] { ask(); }),
      timeout_alarm_(setup.engine(), [this] { expire(); }) {
    const std::uint16_t port = setup.server_port();
    const Ipv4Address from = setup.from().address(), to = setup.to().address();
    for (const auto& [pod, socket] : {std::pair{&setup.from(), client_}, {&setup.to(), server_}}) {
        pod->device().label(IpProtocol::udp, port, setup.flow_id());
        socket->Bind(ns3::InetSocketAddress(ns3::Ipv4Address::GetAny(), port));
    }
    server_reader_ = std::make_unique<UdpReader>(
        setup.to(), server_, flow_hash(from, to, ip_protocol::udp, port, port),
        [this](const ns3::Ptr<ns3::Packet>& request, const ns3::Address& client) {
            answer(*request, client);
        });
    client_reader_ = std::make_unique<UdpReader>(
        setup.from(), client_, flow_hash(to, from, ip_protocol::udp, port, port),
        [this](const ns3::Ptr<ns3::Packet>& response, const ns3::Address&) {
            answered(*response);
        });
    ask();
}

void UdpRequests::ask() {
    if (stopped_) return;
    const TrafficMessage request{next_number_++, now_ns()};
    open_.emplace(request.number, now_ns());
    log_.asked();
    watch_oldest();
    if (!back_to_back()) ask_alarm_.set(now_ns() + setup_.spec.interval.ns);
    const ns3::Ipv4Address address(setup_.to().address().bits);
    client_->SendTo(request.packet(request_bytes_), 0,
                    ns3::InetSocketAddress(address, setup_.server_port()));
}

void UdpRequests::answer(const ns3::Packet& request, const ns3::Address& client) {
    server_->SendTo(TrafficMessage::read(request).packet(response_bytes_), 0, client);
}

void UdpRequests::answered(const ns3::Packet& response) {
    const TrafficMessage message = TrafficMessage::read(response);
    const auto asked = open_.find(message.number);
    if (asked == open_.end()) return;  // too late: counted as lost
    log_.answered(now_ns(), asked->second);
    open_.erase(asked);
    watch_oldest();
    if (back_to_back()) ask();
}

void UdpRequests::watch_oldest() {
    if (open_.empty()) return timeout_alarm_.cancel();
    timeout_alarm_.set(open_.begin()->second + answer_timeout_ns);
}

void UdpRequests::expire() {
    while (!open_.empty() && open_.begin()->second + answer_timeout_ns <= now_ns()) {
        open_.erase(open_.begin());
        log_.lost(1);
    }
    watch_oldest();
    if (back_to_back()) ask();
}

// --- over TCP ------------------------------------------------------------------------------------

class TcpRequests final : public TrafficProgram {
   public:
    explicit TcpRequests(const ProgramSetup& setup);

    void stop() override {
        stopped_ = true;
        client_->finish();
    }
    void report(FlowReport& report) const override;

   private:
    void connected();
    void ask();
    void response_bytes_came(std::uint32_t bytes);
    TcpServer::OnRead accept(const ns3::Ptr<PodTcpSocket>& connection);
    [[nodiscard]] bool back_to_back() const { return setup_.spec.interval.ns == 0; }
    [[nodiscard]] std::int64_t now_ns() const { return setup_.engine().now_ns(); }

    ProgramSetup setup_;
    std::uint32_t request_bytes_, response_bytes_;
    ExchangeLog log_;
    std::uint32_t segment_bytes_ = 0;
    bool stopped_ = false;
    std::deque<std::int64_t> asked_ns_;  ///< of requests without an answer, oldest first
    std::uint64_t response_read_ = 0;    ///< bytes of the answer that is coming in
    Alarm ask_alarm_;
    std::unique_ptr<TcpServer> server_;
    std::unique_ptr<TcpReader> client_reader_;
    std::unique_ptr<TcpClient> client_;
};

TcpRequests::TcpRequests(const ProgramSetup& setup)
    : setup_(setup),
      request_bytes_(std::max(setup.spec.request_bytes, 1U)),
      response_bytes_(std::max(setup.spec.response_bytes, 1U)),
      log_(setup, request_bytes_, response_bytes_),
      ask_alarm_(setup.engine(), [this] { ask(); }) {
    server_ = std::make_unique<TcpServer>(
        setup.to(), setup.server_port(), setup.flow_id(),
        [this](const ns3::Ptr<PodTcpSocket>& connection) { return accept(connection); });
    client_ = std::make_unique<TcpClient>(
        setup.from(), TcpClient::Target{&setup.to(), setup.server_port()}, setup.flow_id(),
        TcpClient::Events{.connected = [this] { connected(); },
                          .writable = [] {},
                          .lost =
                              [this] {
                                  client_reader_ = nullptr;
                                  log_.lost(asked_ns_.size());
                                  asked_ns_.clear();
                              }});
    setup.from().on_readdressed([this] { client_->start_over(); });
    setup.to().on_readdressed([this] {
        server_->drop_connections();
        client_->start_over();
    });
}

TcpServer::OnRead TcpRequests::accept(const ns3::Ptr<PodTcpSocket>& connection) {
    connection->set_no_delay(true);
    // The connection outlives its reader, which owns this function.
    PodTcpSocket* socket = ns3::PeekPointer(connection);
    return [this, socket, pending = std::uint64_t{0}](std::uint32_t bytes) mutable {
        for (pending += bytes; pending >= request_bytes_; pending -= request_bytes_) {
            socket->Send(ns3::Create<ns3::Packet>(response_bytes_), 0);
        }
    };
}

void TcpRequests::connected() {
    const auto& socket = client_->socket();
    socket->set_no_delay(true);
    segment_bytes_ = socket->segment_bytes();
    response_read_ = 0;
    client_reader_ = std::make_unique<TcpReader>(
        setup_.from(), socket, [this](std::uint32_t bytes) { response_bytes_came(bytes); });
    if (!ask_alarm_.is_set()) ask();
}

void TcpRequests::ask() {
    if (stopped_) return;
    if (!back_to_back()) ask_alarm_.set(now_ns() + setup_.spec.interval.ns);
    const auto& socket = client_->socket();
    if (socket == nullptr || socket->GetTxAvailable() < request_bytes_) return;
    asked_ns_.push_back(now_ns());
    log_.asked();
    socket->Send(ns3::Create<ns3::Packet>(request_bytes_), 0);
}

void TcpRequests::response_bytes_came(std::uint32_t bytes) {
    response_read_ += bytes;
    for (; response_read_ >= response_bytes_; response_read_ -= response_bytes_) {
        CHECK(!asked_ns_.empty());
        log_.answered(now_ns(), asked_ns_.front());
        asked_ns_.pop_front();
        if (back_to_back()) ask();
    }
}

void TcpRequests::report(FlowReport& report) const {
    log_.report(report);
    report.mss_bytes = segment_bytes_;
    report.retransmits = client_->retransmitted_segments() + server_->retransmitted_segments();
}

}  // namespace

std::unique_ptr<TrafficProgram> start_udp_requests(const ProgramSetup& setup) {
    return std::make_unique<UdpRequests>(setup);
}
std::unique_ptr<TrafficProgram> start_tcp_requests(const ProgramSetup& setup) {
    return std::make_unique<TcpRequests>(setup);
}

}  // namespace overlab::sim
