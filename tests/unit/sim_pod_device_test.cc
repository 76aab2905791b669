#include <fmt/format.h>
#include <ns3/inet-socket-address.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/net/bytes.h"
#include "models/net/flow_hash.h"
#include "models/net/wire.h"
#include "sim/traffic_raw.h"
#include "tests/support/catch.h"
#include "tests/unit/sim_pod_pair.h"

namespace overlab::sim::test {
namespace {

/// A host's end that writes down what the pod sends and answers nothing.
class Notebook final : public PodPort {
   public:
    Notebook(Engine& engine, const CostProfile& profile) : cpu_(engine, profile, 1, false) {}

    void to_host(FramePtr frame) override { frames.push_back(std::move(frame)); }
    HostCpu& cpu() override { return cpu_; }

    [[nodiscard]] std::vector<std::string> text() const {
        std::vector<std::string> lines;
        for (const auto& frame : frames) lines.push_back(line(*frame));
        return lines;
    }
    std::vector<FramePtr> frames;

   private:
    static std::string line(const Frame& frame) {
        const auto ip = Ipv4Header::decode(std::span(frame.data(), Ipv4Header::bytes));
        if (!ip) return "bad header: " + ip.error().what;  // a wrong checksum, for one
        return fmt::format("{} > {} proto {} len {} id {}{}{} offset {} x{}",
                           ip->source.to_string(), ip->destination.to_string(), ip->protocol,
                           ip->total_length, ip->id, ip->dont_fragment ? " DF" : "",
                           ip->more_fragments ? " MF" : "", ip->fragment_offset, frame.segments);
    }
    HostCpu cpu_;
};

struct LonePod {
    explicit LonePod(std::uint32_t mtu = 1'500)
        : engine(Engine::install()),
          port(engine, profile),
          pod(std::make_unique<Pod>(engine, "pod", PodTcpOptions{})) {
        pod->connect(port);
        pod->configured(address, Ipv4Prefix::of(address, 24), Ipv4Address{0xc00002fe}, mtu);
    }
    ~LonePod() {
        port.frames.clear();
        pod.reset();
        Engine::uninstall();
    }
    void send_datagram(std::uint32_t bytes, Ipv4Address to) {
        auto socket = pod->new_udp_socket();
        socket->Bind(ns3::InetSocketAddress(ns3::Ipv4Address::GetAny(), 4'000));
        socket->SendTo(ns3::Create<ns3::Packet>(bytes), 0,
                       ns3::InetSocketAddress(ns3::Ipv4Address(to.bits), 5'000));
        socket->Close();
    }

    static constexpr Ipv4Address address{0xc0000201};
    static constexpr Ipv4Address peer{0xc6336401};
    Engine& engine;
    CostProfile profile;
    Notebook port;
    std::unique_ptr<Pod> pod;
};

TEST_CASE("pod device: datagrams that fit have DF, larger ones are fragmented without it") {
    LonePod lone;

    lone.send_datagram(1'472, LonePod::peer);
    lone.send_datagram(1'473, LonePod::peer);

    CHECK(lone.port.text() ==
          std::vector<std::string>{"192.0.2.1 > 198.51.100.1 proto 17 len 1500 id 1 DF offset 0 x1",
                                   "192.0.2.1 > 198.51.100.1 proto 17 len 1500 id 2 MF offset 0 x1",
                                   "192.0.2.1 > 198.51.100.1 proto 17 len 21 id 2 offset 1480 x1"});
}

TEST_CASE("pod device: an address that ends in 255 is an address like any other") {
    LonePod lone;
    lone.send_datagram(10, Ipv4Address{0xc63364ff});
    CHECK(
        lone.port.text() ==
        std::vector<std::string>{"192.0.2.1 > 198.51.100.255 proto 17 len 38 id 1 DF offset 0 x1"});
}

TEST_CASE("pod device: frames carry the flow's hash and the traffic they belong to") {
    LonePod lone;
    lone.pod->device().label(IpProtocol::udp, 4'000, 7);
    lone.send_datagram(10, LonePod::peer);
    lone.pod->device().label(IpProtocol::udp, 4'000, 0);
    lone.send_datagram(10, LonePod::peer);

    REQUIRE(lone.port.frames.size() == 2);
    CHECK(lone.port.frames[0]->flow_id == 7);
    CHECK(lone.port.frames[1]->flow_id == 0);
    CHECK(lone.port.frames[0]->flow_hash ==
          flow_hash(LonePod::address, LonePod::peer, ip_protocol::udp, 4'000, 5'000));
    CHECK(lone.port.frames[0]->inner_ip_at == lone.port.frames[0]->begin);
}

TEST_CASE("pod device: a SYN names the largest segment, and is a byte-exact header") {
    LonePod lone(1'450);
    auto socket = lone.pod->new_tcp_socket();
    socket->Bind();
    socket->Connect(ns3::InetSocketAddress(ns3::Ipv4Address(LonePod::peer.bits), 80));

    REQUIRE(lone.port.frames.size() == 1);
    const Frame& syn = *lone.port.frames[0];
    CHECK(lone.port.text()[0] == "192.0.2.1 > 198.51.100.1 proto 6 len 60 id 1 DF offset 0 x1");
    const std::uint8_t* tcp = syn.data() + Ipv4Header::bytes;
    const auto header = TcpHeader::decode(std::span(tcp, syn.header_bytes() - Ipv4Header::bytes));
    REQUIRE(header.has_value());
    CHECK(header->flags == TcpHeader::syn);
    CHECK(header->header_bytes == 40);
    CHECK(tcp[20] == 2);
    CHECK(tcp[21] == 4);
    CHECK(load_be16(tcp + 22) == 1'410);
    socket->abandon();
}

TEST_CASE("pod device: a datagram for a closed port is answered by ICMP") {
    LonePod lone;
    auto frame = std::make_unique<Frame>();
    std::uint8_t* udp = frame->prepend(UdpHeader::bytes);
    UdpHeader{.source_port = 1, .destination_port = 2, .length = UdpHeader::bytes}.encode(
        std::span(udp, UdpHeader::bytes));
    push_ipv4(*frame, {.source = LonePod::peer, .destination = LonePod::address});
    frame->inner_ip_at = frame->begin;

    lone.pod->from_host(std::move(frame));

    CHECK(lone.port.text() ==
          std::vector<std::string>{"192.0.2.1 > 198.51.100.1 proto 1 len 56 id 0 offset 0 x1"});
    REQUIRE(lone.port.frames.size() == 1);
    CHECK(lone.port.frames[0]->data()[20] == Icmpv4Header::destination_unreachable);
    CHECK(lone.port.frames[0]->data()[21] == Icmpv4Header::port);
}

TEST_CASE("pod device: fragmentation-needed lowers one destination's path MTU, never raises it") {
    LonePod lone;
    lone.send_datagram(1'472, LonePod::peer);
    const FramePtr sent = std::move(lone.port.frames[0]);
    const auto told = [&](std::uint32_t mtu) {
        lone.pod->from_host(
            make_icmp_error(*sent, IcmpReason::fragmentation_needed, Ipv4Address{0xc00002fe}, mtu));
        return lone.pod->device().path_mtu(LonePod::peer);
    };
    CHECK(told(1'450) == 1'450);
    CHECK(told(1'480) == 1'450);
    CHECK(told(100) == 552);  // net.ipv4.route.min_pmtu
    CHECK(lone.pod->device().path_mtu(Ipv4Address{0xc6336402}) == 1'500);

    lone.port.frames.clear();
    lone.send_datagram(600, LonePod::peer);
    CHECK(lone.port.text() ==
          std::vector<std::string>{"192.0.2.1 > 198.51.100.1 proto 17 len 548 id 2 MF offset 0 x1",
                                   "192.0.2.1 > 198.51.100.1 proto 17 len 100 id 2 offset 528 x1"});
}

TEST_CASE("pod device: packets for somebody else are not taken") {
    LonePod lone;
    auto frame = std::make_unique<Frame>();
    (void)frame->prepend(UdpHeader::bytes);
    push_ipv4(*frame, {.source = LonePod::peer, .destination = Ipv4Address{0xc0000209}});
    lone.pod->from_host(std::move(frame));
    CHECK(lone.port.frames.empty());
}

TEST_CASE("raw generator: sends datagrams in turn at its interval, once it has an address") {
    LonePod lone;
    RawGenerator raw(lone.engine, lone.port,
                     {.name = "raw",
                      .destinations = {LonePod::peer, Ipv4Address{0xc6336402}},
                      .random = false,
                      .payload_bytes = 100,
                      .interval = microseconds(10),
                      .flow_id = 3});
    raw.run({0}, {50'000});
    lone.engine.run_until(20'000);
    CHECK(raw.sent() == 0);
    raw.configured(LonePod::address, Ipv4Prefix::of(LonePod::address, 24), {}, 1'500);
    lone.engine.run_until(100'000);

    CHECK(lone.port.text() == std::vector<std::string>{
                                  "192.0.2.1 > 198.51.100.1 proto 17 len 128 id 0 DF offset 0 x1",
                                  "192.0.2.1 > 198.51.100.2 proto 17 len 128 id 1 DF offset 0 x1"});
    for (FramePtr& frame : lone.port.frames) raw.from_host(std::move(frame));
    CHECK(raw.packets() == 2);
    CHECK(raw.payload_bytes() == 200);
}

}  // namespace
}  // namespace overlab::sim::test
