// What all worlds say of flows: their kind, their port, and when pods first talked.
#include "models/scenario/flows.h"

#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/catch.h"

using namespace overlab;

namespace {

/// Flows a1 to a2 on one host, a1 to b, b to a2; with these first deliveries.
std::int64_t first_of(const std::vector<std::int64_t>& deliveries_ns) {
    Scenario scenario;
    scenario.pods = {
        {.name = "a1", .host = 0}, {.name = "a2", .host = 0}, {.name = "b", .host = 1}};
    std::vector<FlowReport> flows;
    for (const auto& [from, to] :
         std::vector<std::pair<std::size_t, std::size_t>>{{0, 1}, {0, 2}, {2, 1}}) {
        scenario.traffic.emplace_back();
        scenario.traffic.back().from = from;
        scenario.traffic.back().to = to;
    }
    for (const std::int64_t first_ns : deliveries_ns) {
        flows.emplace_back();
        flows.back().first_delivery_ns = first_ns;
    }
    return first_connectivity_ns(scenario, flows);
}

}  // namespace

TEST_CASE("kinds of traffic are spelled as in scenario files") {
    const std::vector<std::pair<TrafficSpec::Kind, std::string_view>> rows{
        {TrafficSpec::Kind::tcp, "tcp"},
        {TrafficSpec::Kind::udp, "udp"},
        {TrafficSpec::Kind::request_response, "request_response"},
        {TrafficSpec::Kind::on_off, "on_off"}};
    for (const auto& [kind, word] : rows) CHECK(to_string(kind) == word);
}

TEST_CASE("each flow's server has a port of its own, below the ephemeral ones") {
    CHECK(server_port(0) == 5201);
    CHECK(server_port(1) == 5202);
    CHECK(server_port(39'999) == 45'200);
    CHECK(server_port(40'000) == 5201);
}

TEST_CASE("first connectivity is the earliest delivery between hosts") {
    CHECK(first_of({10, 300, 200}) == 200);
    CHECK(first_of({10, 200, 300}) == 200);
    CHECK(first_of({10, -1, 300}) == 300);
    CHECK(first_of({10, 0, 300}) == 0);
}

TEST_CASE("without a delivery between hosts there is no first connectivity") {
    CHECK(first_of({10, -1, -1}) == -1);
    CHECK(first_of({}) == -1);
}
