// udp and on_off: datagrams at a constant rate, the latter with pauses.
#include <fmt/format.h>
#include <ns3/inet-socket-address.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "models/base/rng.h"
#include "models/net/flow_hash.h"
#include "models/net/wire.h"
#include "sim/exponential.h"
#include "sim/traffic_message.h"
#include "sim/traffic_program.h"
#include "sim/traffic_readers.h"

namespace overlab::sim {
namespace {

class DatagramTraffic final : public TrafficProgram {
   public:
    explicit DatagramTraffic(const ProgramSetup& setup);

    void stop() override;
    void report(FlowReport& report) const override;

   private:
    void send();
    void toggle();
    void received(const ns3::Packet& datagram);
    [[nodiscard]] std::uint64_t lost() const;
    [[nodiscard]] std::int64_t now_ns() const { return setup_.engine().now_ns(); }

    ProgramSetup setup_;
    DeliveryMeter meter_;
    LatencySamples delays_;
    Jitter jitter_;
    Rng rng_;
    std::uint32_t payload_bytes_;
    Pacer pacer_;
    ns3::Ptr<ns3::Socket> sender_, receiver_;
    std::unique_ptr<UdpReader> reader_;
    bool on_ = false, stopped_ = false;
    std::uint64_t sent_ = 0, received_ = 0;
    std::int64_t longest_delay_ns_ = 0;
    /// When the latest datagrams left: as many as may still be under way.
    std::deque<std::int64_t> recently_sent_ns_;
    std::uint64_t highest_received_ = 0;  ///< number + 1
    Alarm send_alarm_, toggle_alarm_;
};

std::uint32_t payload_size(const ProgramSetup& setup) {
    constexpr std::uint32_t headers = Ipv4Header::bytes + UdpHeader::bytes;
    const std::uint32_t mtu = setup.from().device().path_mtu(setup.to().address());
    const std::uint32_t wanted =
        setup.spec.packet_bytes == 0 ? mtu - headers : setup.spec.packet_bytes;
    if (wanted >= TrafficMessage::bytes) return wanted;
    setup.remarks.push_back(
        fmt::format("traffic {}: datagrams of {} bytes carry {}: a number and a time",
                    setup.spec.name, wanted, TrafficMessage::bytes));
    return TrafficMessage::bytes;
}

DatagramTraffic::DatagramTraffic(const ProgramSetup& setup)
    : setup_(setup),
      meter_(setup.new_meter()),
      rng_(Rng::stream(setup.traffic.seed, setup.spec.name + "/on-off")),
      payload_bytes_(payload_size(setup)),
      pacer_(payload_bytes_, setup.spec.rate_bps),
      sender_(setup.from().new_udp_socket()),
      receiver_(setup.to().new_udp_socket()),
      send_alarm_(setup.engine(), [this] { send(); }),
      toggle_alarm_(setup.engine(), [this] { toggle(); }) {
    CHECK(setup.spec.rate_bps > 0);
    const std::uint16_t port = setup.server_port();
    setup.to().device().label(IpProtocol::udp, port, setup.flow_id());
    setup.from().device().label(IpProtocol::udp, port, setup.flow_id());
    receiver_->Bind(ns3::InetSocketAddress(ns3::Ipv4Address::GetAny(), port));
    sender_->Bind(ns3::InetSocketAddress(ns3::Ipv4Address::GetAny(), port));
    const std::uint64_t hash =
        flow_hash(setup.from().address(), setup.to().address(), ip_protocol::udp, port, port);
    reader_ = std::make_unique<UdpReader>(setup.to(), receiver_, hash,
                                          [this](const ns3::Ptr<ns3::Packet>& datagram,
                                                 const ns3::Address&) { received(*datagram); });
    if (setup.spec.kind == TrafficSpec::Kind::on_off) {
        toggle();
    } else {
        on_ = true;
        send();
    }
}

void DatagramTraffic::toggle() {
    if (stopped_) return;
    on_ = !on_;
    toggle_alarm_.set(now_ns() + exponential(rng_, on_ ? setup_.spec.on : setup_.spec.off).ns);
    if (on_ && !send_alarm_.is_set()) send();
}

void DatagramTraffic::send() {
    if (!on_ || stopped_) return;
    const TrafficMessage message{sent_++, now_ns()};
    recently_sent_ns_.push_back(now_ns());
    while (recently_sent_ns_.front() < now_ns() - longest_delay_ns_) recently_sent_ns_.pop_front();
    send_alarm_.set(now_ns() + pacer_.next_gap_ns());
    const ns3::Ipv4Address address(setup_.to().address().bits);
    sender_->SendTo(message.packet(payload_bytes_), 0,
                    ns3::InetSocketAddress(address, setup_.server_port()));
}

void DatagramTraffic::received(const ns3::Packet& datagram) {
    const TrafficMessage message = TrafficMessage::read(datagram);
    const std::int64_t delay_ns = now_ns() - message.sent_ns;
    ++received_;
    highest_received_ = std::max(highest_received_, message.number + 1);
    longest_delay_ns_ = std::max(longest_delay_ns_, delay_ns);
    delays_.add(delay_ns);
    jitter_.add(delay_ns);
    meter_.delivered(now_ns(), datagram.GetSize());
}

/// Not counted as lost: the last datagrams, if they left so late that they may still arrive.
std::uint64_t DatagramTraffic::lost() const {
    const auto young = std::count_if(
        recently_sent_ns_.begin(), recently_sent_ns_.end(),
        [&](std::int64_t sent_ns) { return now_ns() - sent_ns <= longest_delay_ns_; });
    const std::uint64_t under_way =
        std::min<std::uint64_t>(static_cast<std::uint64_t>(young), sent_ - highest_received_);
    return sent_ - std::min(sent_, received_ + under_way);
}

void DatagramTraffic::stop() { stopped_ = true; }

void DatagramTraffic::report(FlowReport& report) const {
    meter_.report(false, report);
    report.packets_sent = sent_;
    report.packets_received = received_;
    report.packets_lost = lost();
    report.latency = delays_.summary();
    report.jitter_ns = jitter_.ns();
}

}  // namespace

std::unique_ptr<TrafficProgram> start_datagrams(const ProgramSetup& setup) {
    return std::make_unique<DatagramTraffic>(setup);
}

}  // namespace overlab::sim
