// The built-in profiles against the cells they are derived from and against cells they are not, in
// closed form (tests/support/cost_predictor.h).
#include <cmath>

#include "models/cost/cost_profile.h"
#include "tests/support/cost_predictor.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

using test::CostPredictor;
using test::Path;

CostProfile profile(std::string_view name) {
    const Result<CostProfile> found = built_in_cost_profile(name);
    REQUIRE(found);
    return *found;
}

/// Within `percent` of the published value.
bool near(double value, double published, double percent) {
    return std::abs(value - published) <= published * percent / 100.0;
}

struct TcpCell {
    const char* what;
    const char* profile;
    Path path;
    std::uint32_t mtu;
    unsigned flows;
    double gbps;
};

}  // namespace

TEST_CASE("one flow's throughput is within 10 percent of every measured cell") {
    const TcpCell cells[] = {
        {"bare metal, 40G", "infrabuilder-2024", Path::host_gw, 9000, 1, 31.37},
        {"flannel vxlan, 40G", "infrabuilder-2024", Path::vxlan, 9000, 1, 20.00},
        {"antrea IPsec, 40G", "infrabuilder-2024", Path::ipsec, 9000, 1, 6.93},
        {"bare metal without pods, 40G", "infrabuilder-2024-pods", Path::bare_metal, 9000, 1,
         31.37},
        {"kube-router without tunnel, 40G", "infrabuilder-2024-pods", Path::host_gw, 9000, 1,
         22.70},
        {"flannel vxlan with pods, 40G", "infrabuilder-2024-pods", Path::vxlan, 9000, 1, 20.00},
        {"bare metal, 100G", "oncache-2024", Path::host_gw, 1500, 1, 39.35},
        {"overlay, 100G", "oncache-2024", Path::vxlan, 1500, 1, 33.27},
        {"host-gw in namespaces", "laptop", Path::host_gw, 1500, 1, 23.4},
        {"host-gw in namespaces, MTU 9000", "laptop", Path::host_gw, 9000, 1, 24.5},
        {"vxlan in namespaces", "laptop", Path::vxlan, 1500, 1, 15.6},
        {"vxlan in namespaces, MTU 9000", "laptop", Path::vxlan, 9000, 1, 20.4},
        {"flannel's udp", "laptop", Path::udp, 1500, 1, 0.91},
        {"flannel's udp, MTU 9000", "laptop", Path::udp, 9000, 1, 4.28},
    };
    for (const TcpCell& cell : cells) {
        const CostProfile costs = profile(cell.profile);
        const double gbps = CostPredictor(costs, cell.path, cell.mtu).tcp_gbps(cell.flows);
        INFO(cell.what << ": " << gbps << " Gbit/s, measured " << cell.gbps);
        CHECK(near(gbps, cell.gbps, 10.0));
    }
}

// Not a fitted cell: it follows from GRO seeing n flows' packets interleaved, and from their ACKs.
TEST_CASE("eight flows through one SA are slower together than one alone, as measured") {
    const CostProfile costs = profile("infrabuilder-2024");
    const CostPredictor ipsec(costs, Path::ipsec, 9000);

    CHECK(near(ipsec.tcp_gbps(8), 4.71, 10.0));
    CHECK(ipsec.tcp_gbps(2) < ipsec.tcp_gbps(1));
    CHECK(ipsec.tcp_gbps(4) < ipsec.tcp_gbps(2));
    CHECK(ipsec.tcp_gbps(64) == ipsec.tcp_gbps(7));  // an aggregate has seven segments
}

TEST_CASE("a second flow does not slow the receiving core of a VXLAN flow") {
    const CostProfile costs = profile("infrabuilder-2024");
    const CostPredictor vxlan(costs, Path::vxlan, 9000);
    CHECK(vxlan.tcp_gbps(8) == vxlan.tcp_gbps(1));
}

TEST_CASE("small UDP packets cost what they were measured to cost") {
    const CostProfile costs = profile("infrabuilder-2024");
    CHECK(near(static_cast<double>(CostPredictor(costs, Path::host_gw, 1500).udp_packet_ns()), 4190,
               2.0));
    CHECK(near(static_cast<double>(CostPredictor(costs, Path::vxlan, 1500).udp_packet_ns()), 6250,
               2.0));
}

TEST_CASE("round trips are as measured, and an overlay adds about 15 us at ONCache's hosts") {
    constexpr std::int64_t wire_ns = 500;
    const auto trip = [&](const CostProfile& costs, Path path) {
        return static_cast<double>(CostPredictor(costs, path, 1500).round_trip_ns(64, wire_ns));
    };
    const CostProfile oncache = profile("oncache-2024");
    CHECK(near(trip(oncache, Path::bare_metal), 22'460, 3.0));
    CHECK(near(trip(oncache, Path::host_gw), 22'460, 10.0));
    CHECK(near(trip(oncache, Path::vxlan), 37'300, 3.0));

    const CostProfile laptop = profile("laptop");
    CHECK(near(trip(laptop, Path::host_gw), 28'000, 10.0));
    CHECK(near(trip(laptop, Path::vxlan), 36'000, 10.0));
}

TEST_CASE("backends keep their order at every MTU: host-gw, vxlan, ipsec, and udp far behind") {
    for (const std::string& name : built_in_cost_profiles()) {
        const CostProfile costs = profile(name);
        for (const std::uint32_t mtu : {1500U, 9000U}) {
            INFO(name << " at MTU " << mtu);
            const auto gbps = [&](Path path) { return CostPredictor(costs, path, mtu).tcp_gbps(); };
            CHECK(gbps(Path::host_gw) >= gbps(Path::vxlan));
            CHECK(gbps(Path::vxlan) > gbps(Path::ipsec));
            CHECK(gbps(Path::ipsec) > gbps(Path::udp));
        }
        INFO(name);
        CHECK(CostPredictor(costs, Path::vxlan, 1500).tcp_gbps() >
              10 * CostPredictor(costs, Path::udp, 1500).tcp_gbps());
    }
}

// A segment has its own cost, so the same bytes in smaller packets take longer.
TEST_CASE("jumbo frames help every backend, and ESP and the proxy most") {
    const CostProfile costs = profile("infrabuilder-2024");
    const auto gain = [&](Path path) {
        return CostPredictor(costs, path, 9000).tcp_gbps() /
               CostPredictor(costs, path, 1500).tcp_gbps();
    };
    CHECK(gain(Path::host_gw) > 1.2);
    CHECK(gain(Path::vxlan) > gain(Path::host_gw));
    CHECK(gain(Path::ipsec) > 1.5);
    CHECK(gain(Path::udp) > 4.0);
}

}  // namespace overlab
