// Flow hashes and the ports made of them: fixed values, and an even spread.
#include <array>

#include "models/net/flow_hash.h"
#include "models/net/wire.h"

#include "tests/support/catch.h"

using namespace overlab;

TEST_CASE("a flow hash is a fixed number") {
    // These values reach captures and path choice: a change of them changes every result.
    const Ipv4Address client{0x0af40102}, server{0x0af40202};
    CHECK(flow_hash(client, server, ip_protocol::tcp, 40000, 5201) == 0xc1b438a52d983dddU);
    CHECK(flow_hash(server, client, ip_protocol::tcp, 5201, 40000) == 0x75be9ec7ce17b662U);
    CHECK(flow_hash({}, {}, 0, 0, 0) != 0);
}

TEST_CASE("the VXLAN source port is Linux's function of the hash") {
    // udp_flow_src_port(): hash ^= hash << 16; (hash * (max - min) >> 32) + min.
    CHECK(vxlan_source_port(0) == 32768);
    CHECK(vxlan_source_port(0x0000'0000'8000'8000) == 32768);
    CHECK(vxlan_source_port(0x0000'0000'8000'0000) == 46884);
    CHECK(vxlan_source_port(0x0000'0000'ffff'0000) == 60999);
    CHECK(vxlan_source_port(0x8000'0000'0000'0000) == 46884);
    CHECK(vxlan_source_port(0xffff'ffff, 5000, 5001) == 5000);
}

TEST_CASE("VXLAN source ports of many flows fill the range evenly") {
    constexpr std::size_t buckets = 16, flows = 16000;
    std::array<std::size_t, buckets> seen{};
    for (std::size_t i = 0; i < flows; ++i) {
        const auto hash = flow_hash({0x0af40102}, {0x0af40202}, ip_protocol::tcp,
                                    static_cast<std::uint16_t>(1024 + i), 5201);
        const std::size_t offset = vxlan_source_port(hash) - 32768U;
        REQUIRE(offset < 28232);
        ++seen[offset * buckets / 28232];
    }
    // 1000 expected a bucket with a standard deviation of 31: five of them.
    for (const std::size_t count : seen) CHECK((count > 845 && count < 1155));
}
