// Captures of every backend, read by tshark: right layers, right lengths, right checksums, nothing
// malformed.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/support/catch.h"
#include "tests/support/sim_lab.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tshark.h"

using namespace overlab;
using namespace overlab::test;

namespace {

const std::string psk(96, 'k');

/// An aggregate of three TCP segments, 1000 + 1000 + 500 bytes, from pod 0 to pod 1.
void send_tcp_aggregate(SimLab& lab) {
    RecordingPod& pod = lab.pod(0);
    auto frame = std::make_unique<sim::Frame>();
    frame->segments = 3;
    frame->segment_payload = 1000;
    frame->payload_bytes = 2500;
    const TcpHeader tcp{.source_port = 40001,
                        .destination_port = 5201,
                        .sequence = 1'000'000,
                        .acknowledgement = 7,
                        .flags = TcpHeader::ack | TcpHeader::psh,
                        .window = 512};
    tcp.encode({frame->prepend(TcpHeader::bytes), TcpHeader::bytes});
    sim::push_ipv4(*frame, {.source = pod.address,
                            .destination = lab.pod(1).address,
                            .protocol = sim::IpProtocol::tcp,
                            .id = 77,
                            .dont_fragment = true});
    frame->flow_hash = flow_hash(pod.address, lab.pod(1).address, 6, 40001, 5201);
    pod.port->to_host(std::move(frame));
}

/// Runs the lab's traffic with captures on; returns the capture of h1's link.
std::string capture(const TempFolder& folder, const Scenario& scenario,
                    const std::string& backend) {
    SimLab lab(scenario, R"({"Network": "10.244.0.0/16", "Backend": )" + backend + "}");
    lab.install_sas(0, 1);
    const auto opened = lab.network->capture_to(folder.path(), lab.engine, lab.keys);
    REQUIRE(opened.has_value());
    lab.pod(0).send_udp(lab.pod(1).address, lab.pod(0).mtu);
    lab.pod(0).send_udp(lab.pod(1).address,
                        29);  // one byte of payload: odd lengths, Ethernet minimum
    send_tcp_aggregate(lab);
    lab.run();
    const auto closed = lab.network->close_captures();
    REQUIRE(closed.has_value());
    REQUIRE(lab.pod(1).received.size() == 3);
    return (folder.path() / (scenario.underlay.links[0].name + ".pcapng")).string();
}

const std::string check_all_checksums =
    "-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE ";

/// No dissector complains: malformed, bad checksum, wrong length, unreassembled.
void require_clean(const std::string& file, const std::string& options) {
    CHECK(tshark(file, options + check_all_checksums +
                           "-Y '_ws.malformed || ip.checksum.status == Bad || "
                           "tcp.checksum.status == Bad || udp.checksum.status == Bad || "
                           "icmp.checksum.status == Bad || _ws.expert.severity == Error'")
              .empty());
}

std::string fields(const std::string& file, const std::string& options, const std::string& filter,
                   const std::string& names) {
    std::string arguments = options + " -Y '" + filter + "' -T fields -E separator=,";
    std::istringstream words(names);
    for (std::string name; words >> name;) arguments += " -e " + name;
    return tshark(file, arguments);
}

}  // namespace

TEST_CASE("VXLAN frames decode on flannel's port with VNI and inner packets") {
    const TempFolder folder;
    const std::string file = capture(folder, star_scenario(2), R"({"Type": "vxlan", "VNI": 42})");
    const std::string decode = "-d udp.port==8472,vxlan ";

    require_clean(file, decode);
    CHECK(fields(file, decode, "udp.dstport == 8472 && tcp",
                 "vxlan.vni vxlan.flags ip.len tcp.seq_raw") ==
          "42,0x0800,1090,1040,1000000\n"
          "42,0x0800,1090,1040,1001000\n"
          "42,0x0800,590,540,1002000\n");
    // flannel's device computes the outer checksum too (udpcsum).
    CHECK(fields(file, decode + check_all_checksums, "vxlan && udp.length == 9",
                 "udp.checksum.status") == "1,1\n");
}

TEST_CASE("the UDP backend's datagrams hold bare IPv4 packets") {
    const TempFolder folder;
    const std::string file = capture(folder, star_scenario(2), R"({"Type": "udp"})");
    const std::string decode = "-d udp.port==8285,ip ";

    require_clean(file, decode);
    CHECK(fields(file, decode, "udp.dstport == 8285 && tcp", "udp.srcport ip.len ip.ttl tcp.len") ==
          "8285,1068,1040,64,62,1000\n"
          "8285,1068,1040,64,62,1000\n"
          "8285,568,540,64,62,500\n");
}

TEST_CASE("ipip packets decode as IPv4 in IPv4, with the inner TTL and DF outside") {
    const TempFolder folder;
    const std::string file = capture(folder, star_scenario(2), R"({"Type": "ipip"})");

    require_clean(file, "");
    CHECK(fields(file, "", "ip.proto == 4 && tcp",
                 "ip.src ip.dst ip.len ip.ttl ip.flags.df ip.id tcp.seq_raw") ==
          "192.0.2.1,10.244.1.2,192.0.2.2,10.244.2.2,1060,1040,63,63,1,1,0x0003,0x004d,1000000\n"
          "192.0.2.1,10.244.1.2,192.0.2.2,10.244.2.2,1060,1040,63,63,1,1,0x0004,0x004e,1001000\n"
          "192.0.2.1,10.244.1.2,192.0.2.2,10.244.2.2,560,540,63,63,1,1,0x0005,0x004f,1002000\n");
}

TEST_CASE("fragments of an ipip packet reassemble to the packet that was sent") {
    const TempFolder folder;
    SimLab lab(routed_scenario(1400),
               R"({"Network": "10.244.0.0/16", "Backend": {"Type": "ipip"}})");
    REQUIRE(lab.network->capture_to(folder.path(), lab.engine, lab.keys).has_value());
    lab.pod(0).send_udp(lab.pod(1).address, 1480, 64, 40000, false);
    lab.run();
    REQUIRE(lab.network->close_captures().has_value());
    REQUIRE(lab.pod(1).received.size() == 1);
    const std::string file = (folder.path() / "r1--r2.pcapng").string();

    require_clean(file, "");
    CHECK(fields(file, "", "udp.dstport == 9000", "ip.len udp.length") == "124,1480,1460\n");
}

TEST_CASE("ESP decrypts with the run's keys") {
    const TempFolder folder;
    const std::string file =
        capture(folder, star_scenario(2), R"({"Type": "ipsec", "PSK": ")" + psk + R"("})");
    std::string decrypt =
        "-o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE ";
    for (const auto& [from, to, spi] : {std::tuple{"192.0.2.1", "192.0.2.2", "0xc0000001"},
                                        {"192.0.2.2", "192.0.2.1", "0xc0000010"}}) {
        decrypt += std::string("-o 'uat:esp_sa:\"IPv4\",\"") + from + "\",\"" + to + "\",\"" + spi +
                   R"(","AES-GCM with 16 octet ICV [RFC4106]","0x)" + std::string(40, '0') +
                   R"(","NULL",""' )";
    }

    require_clean(file, decrypt);
    CHECK(fields(file, decrypt, "esp && tcp", "ip.len tcp.seq_raw esp.sequence") ==
          "1096,1040,1000000,3\n1096,1040,1001000,4\n596,540,1002000,5\n");
    CHECK(fields(file, "", "!arp && !esp", "frame.number").empty());
}

TEST_CASE("host-gw packets travel bare") {
    const TempFolder folder;
    const std::string file = capture(folder, star_scenario(2), R"({"Type": "host-gw"})");

    require_clean(file, "");
    CHECK(fields(file, "", "tcp", "ip.len ip.id tcp.flags.push") ==
          "1040,0x004d,0\n1040,0x004e,0\n540,0x004f,1\n");
}

TEST_CASE("fragments made by a router reassemble to the packet that was sent") {
    const TempFolder folder;
    (void)capture(folder, routed_scenario(1400), R"({"Type": "vxlan"})");
    const std::string file = (folder.path() / "r1--r2.pcapng").string();
    const std::string decode = "-d udp.port==8472,vxlan ";

    require_clean(file, decode);
    CHECK(fields(file, decode, "ip.flags.mf == 1 || ip.frag_offset > 0", "ip.len").size() > 4);
    CHECK(fields(file, decode, "udp.dstport == 9000 && ip.len == 1450", "udp.length") ==
          "1480,1430\n");
}

TEST_CASE("a capture is the same bytes twice and in time order") {
    const auto bytes_of = [](const std::string& file) {
        std::ifstream stream(file, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(stream), {});
    };
    const TempFolder first, second;

    const std::string once = capture(first, star_scenario(2), R"({"Type": "vxlan"})");
    const std::string again = capture(second, star_scenario(2), R"({"Type": "vxlan"})");

    CHECK(bytes_of(once) == bytes_of(again));
    std::istringstream times(tshark(once, "-T fields -e frame.time_epoch"));
    std::vector<std::string> in_file;
    for (std::string line; std::getline(times, line);) in_file.push_back(line);
    CHECK(in_file.size() >= 6);
    CHECK(std::is_sorted(in_file.begin(), in_file.end()));
}
