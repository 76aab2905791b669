#include "results/comparison.h"

#include <string>
#include <vector>

#include "results/summary.h"
#include "tests/support/sample_report.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;

namespace {

RunReport run(const std::string& backend, std::uint64_t goodput_bps, std::int64_t p50_ns,
              std::uint64_t seed = 1) {
    RunReport report = report_of(backend, seed);
    report.flows = {tcp_flow("bulk", goodput_bps), request_flow("rtt", p50_ns, 2 * p50_ns)};
    HostReport host;
    host.name = "h1";
    host.cpu_ns[0] = static_cast<std::int64_t>(report.flows[0].bytes_delivered) / 4;
    report.hosts = {host};
    return report;
}

const ComparisonCell& cell(const Comparison& comparison, const std::string& backend,
                           const std::string& key) {
    for (const ComparisonRow& row : comparison.rows) {
        for (std::size_t i = 0; i < comparison.columns.size(); ++i) {
            if (row.backend == backend && comparison.columns[i].key == key) return row.cells[i];
        }
    }
    FAIL("no cell " << backend << " " << key);
    return comparison.rows.front().cells.front();
}

std::vector<std::string> keys(const Comparison& comparison) {
    std::vector<std::string> names;
    for (const ComparisonColumn& column : comparison.columns) names.push_back(column.key);
    return names;
}

}  // namespace

TEST_CASE("Columns follow the scenario's flows and end with the network's") {
    REQUIRE(keys(compare({run("vxlan", 8'000, 100)})) ==
            std::vector<std::string>{"bulk.goodput", "rtt.p50", "rtt.p99", "network.overlay_mtu",
                                     "network.wire_overhead", "network.cpu", "network.converged",
                                     "network.unreachable_pairs"});
}

TEST_CASE("Many flows of a kind share one column: goodput is the sum") {
    RunReport report = report_of("vxlan");
    for (const char* name : {"a", "b", "c", "d"}) report.flows.push_back(tcp_flow(name, 1'000));

    const Comparison comparison = compare({report});

    REQUIRE(comparison.columns.front().key == "4 flows.goodput");
    REQUIRE(comparison.rows[0].cells[0].value->mean == 4'000);
}

TEST_CASE("The best goodput is the highest, the best latency the lowest") {
    const Comparison comparison = compare({run("vxlan", 9'000, 80), run("host-gw", 10'000, 60)});

    REQUIRE(cell(comparison, "host-gw", "bulk.goodput").best);
    REQUIRE(cell(comparison, "vxlan", "bulk.goodput").difference_percent == Approx(-10.0));
    REQUIRE(cell(comparison, "host-gw", "rtt.p50").best);
    REQUIRE(cell(comparison, "vxlan", "rtt.p50").difference_percent == Approx(100.0 / 3));
    REQUIRE_FALSE(cell(comparison, "vxlan", "bulk.goodput").best);
}

TEST_CASE("Differences below a thousandth are no differences") {
    const Comparison comparison = compare(
        {run("vxlan", 9'000'000, 80), run("host-gw", 9'008'000, 60), run("udp", 8'900'000, 90)});

    REQUIRE(cell(comparison, "vxlan", "bulk.goodput").best);
    REQUIRE(cell(comparison, "host-gw", "bulk.goodput").best);
    REQUIRE_FALSE(cell(comparison, "udp", "bulk.goodput").best);
}

TEST_CASE("Nobody is best in a column where all are alike") {
    const Comparison comparison = compare({run("vxlan", 9'000, 80), run("host-gw", 9'000, 60)});

    REQUIRE_FALSE(cell(comparison, "vxlan", "bulk.goodput").best);
    REQUIRE_FALSE(cell(comparison, "host-gw", "network.overlay_mtu").best);
}

TEST_CASE("Differences within the confidence intervals are no differences") {
    const Comparison comparison = compare(
        {run("vxlan", 9'000, 80, 1), run("vxlan", 9'400, 80, 2), run("host-gw", 9'100, 60, 1),
         run("host-gw", 9'500, 60, 2), run("udp", 1'000, 90, 1), run("udp", 1'000, 90, 2)});

    REQUIRE(cell(comparison, "vxlan", "bulk.goodput").value->count == 2);
    REQUIRE(cell(comparison, "vxlan", "bulk.goodput").best);
    REQUIRE(cell(comparison, "host-gw", "bulk.goodput").best);
    REQUIRE_FALSE(cell(comparison, "udp", "bulk.goodput").best);
}

TEST_CASE(
    "Wire overhead is the share of bulk bytes that is not payload, CPU is per delivered byte") {
    const Comparison comparison = compare({run("vxlan", 72'000, 80)});

    REQUIRE(cell(comparison, "vxlan", "network.wire_overhead").value->mean == Approx(10.0));
    REQUIRE(cell(comparison, "vxlan", "network.cpu").value->mean == Approx(0.25));
}

TEST_CASE("A backend that never converged and whose requests got no answer has empty cells") {
    RunReport broken = run("host-gw", 0, 0);
    broken.converged_ns = -1;
    broken.flows[1].latency = {};
    broken.unreachable = {{"h1", "h3", "host-gw: peer behind a router"}};

    const Comparison comparison = compare({run("vxlan", 9'000, 80), broken});

    REQUIRE_FALSE(cell(comparison, "host-gw", "rtt.p50").value.has_value());
    REQUIRE_FALSE(cell(comparison, "host-gw", "network.converged").value.has_value());
    REQUIRE(cell(comparison, "vxlan", "network.converged").best);
    REQUIRE(cell(comparison, "host-gw", "network.unreachable_pairs").value->mean == 1);
}

TEST_CASE("The printed comparison marks the best and lists unreachable pairs and warnings below") {
    RunReport broken = run("host-gw", 0, 0);
    broken.converged_ns = -1;
    broken.flows = {tcp_flow("bulk", 0)};
    broken.unreachable = {{"h1", "h3", "host-gw: peer behind a router"}};
    broken.warnings = {"captures are cut"};
    const Comparison comparison = compare({run("vxlan", 9'090'000'000, 84'000), broken});

    REQUIRE(comparison_text(comparison, {.colour = false, .width = 60}) ==
            "backend                    vxlan        host-gw\n"
            "───────────────────────────────────────────────\n"
            "bulk goodput       9.09 Gbit/s *  0 bit/s -100%\n"
            "rtt p50                84.0 µs *        -\n"
            "rtt p99                 168 µs *        -\n"
            "pod MTU                 1450 B     1450 B\n"
            "wire overhead           10.0 % *        -\n"
            "CPU per byte         0.25 ns/B *        -\n"
            "boot to converged      4.20 ms *    never\n"
            "unreachable pairs            0 *        1\n"
            "* best; others: difference to the best\n"
            "\n"
            "unreachable pairs:\n"
            "  host-gw: h1 -> h3: peer behind a router\n"
            "\n"
            "warnings:\n"
            "  host-gw: captures are cut\n");
}

TEST_CASE("Differences are told in percent, large ones in times") {
    const Comparison comparison =
        compare({run("host-gw", 9'000, 100), run("vxlan", 8'800, 115), run("udp", 900, 1'250)});

    const std::string text = comparison_text(comparison, {});

    for (const char* part : {"-2.2%", "-90%", "+15%", " x12\n"}) {
        INFO(part);
        REQUIRE(text.find(part) != std::string::npos);
    }
}

TEST_CASE("CPU time is not compared where it takes none") {
    RunReport guest = run("vxlan", 1'000'000, 50'000);
    guest.world = "vm";
    guest.hosts[0].cpu_ns = {};
    guest.hosts[0].cpu_measured_ns = {{"agent", 10'000'000}};
    guest.virtual_time = false;
    REQUIRE(run_text(guest, {}).find("10.0 ms") != std::string::npos);
    REQUIRE(cell(compare({guest}), "vxlan", "network.cpu").value.has_value());

    guest.virtual_time = true;

    const std::vector<std::string> columns = keys(compare({guest}));
    REQUIRE(std::ranges::find(columns, "network.cpu") == columns.end());
    REQUIRE(run_text(guest, {}).find("10.0 ms") == std::string::npos);
}
