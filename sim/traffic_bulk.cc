// tcp: n streams that always have data to send, or share a fixed number of bytes.
#include <fmt/format.h>
#include <ns3/packet.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "sim/tcp_client.h"
#include "sim/tcp_server.h"
#include "sim/traffic_program.h"

namespace overlab::sim {
namespace {

class BulkTraffic final : public TrafficProgram {
   public:
    explicit BulkTraffic(const ProgramSetup& setup);

    void stop() override;
    void report(FlowReport& report) const override;

   private:
    struct Stream {
        std::uint64_t bytes = 0;    ///< to send in all; 0: no end
        std::uint64_t written = 0;  ///< into the present connection; a lost one starts afresh
        std::unique_ptr<TcpClient> client;
    };

    void open(Stream& stream);
    void fill(Stream& stream);

    ProgramSetup setup_;
    DeliveryMeter meter_;
    std::uint32_t segment_bytes_ = 0;
    bool stopped_ = false, any_lost_ = false;
    std::unique_ptr<TcpServer> server_;
    std::vector<Stream> streams_;
};

BulkTraffic::BulkTraffic(const ProgramSetup& setup)
    : setup_(setup), meter_(setup.new_meter()), streams_(std::max(setup.spec.streams, 1U)) {
    const auto count = [this](std::uint32_t bytes) {
        meter_.delivered(setup_.engine().now_ns(), bytes);
    };
    server_ = std::make_unique<TcpServer>(
        setup.to(), setup.server_port(), setup.flow_id(),
        [count](const ns3::Ptr<PodTcpSocket>&) -> TcpServer::OnRead { return count; });
    const std::uint64_t share = setup.spec.bytes / streams_.size();
    const std::uint64_t rest = setup.spec.bytes % streams_.size();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
        streams_[i].bytes = share + (i < rest ? 1 : 0);
        open(streams_[i]);
    }
    setup.from().on_readdressed([this] {
        for (Stream& stream : streams_) stream.client->start_over();
    });
    setup.to().on_readdressed([this] {
        server_->drop_connections();
        for (Stream& stream : streams_) stream.client->start_over();
    });
}

void BulkTraffic::open(Stream& stream) {
    stream.client = std::make_unique<TcpClient>(
        setup_.from(), TcpClient::Target{&setup_.to(), setup_.server_port()}, setup_.flow_id(),
        TcpClient::Events{
            .connected = [&stream] { stream.written = 0; },
            .writable = [this, &stream] { fill(stream); },
            .lost =
                [this] {
                    if (any_lost_) return;
                    any_lost_ = true;
                    setup_.remarks.push_back(fmt::format(
                        "traffic {}: a connection failed or was lost at {} ms; it connects again",
                        setup_.spec.name, setup_.engine().now_ns() / 1'000'000));
                }});
}

void BulkTraffic::fill(Stream& stream) {
    const auto& socket = stream.client->socket();
    if (socket == nullptr || stopped_) return;
    segment_bytes_ = socket->segment_bytes();
    std::uint64_t bytes = socket->GetTxAvailable();
    if (setup_.spec.bytes > 0) bytes = std::min(bytes, stream.bytes - stream.written);
    if (bytes > 0) {
        stream.written += bytes;
        socket->Send(ns3::Create<ns3::Packet>(static_cast<std::uint32_t>(bytes)), 0);
    }
    if (setup_.spec.bytes > 0 && stream.written == stream.bytes) stream.client->finish();
}

void BulkTraffic::stop() {
    stopped_ = true;
    for (Stream& stream : streams_) stream.client->finish();
}

void BulkTraffic::report(FlowReport& report) const {
    meter_.report(setup_.spec.bytes > 0 && meter_.bytes() >= setup_.spec.bytes, report);
    report.mss_bytes = segment_bytes_;
    for (const Stream& stream : streams_) {
        report.retransmits += stream.client->retransmitted_segments();
        if (const auto& socket = stream.client->socket(); socket != nullptr) {
            report.mss_bytes = socket->segment_bytes();
        }
    }
}

}  // namespace

std::unique_ptr<TrafficProgram> start_bulk(const ProgramSetup& setup) {
    return std::make_unique<BulkTraffic>(setup);
}

}  // namespace overlab::sim
