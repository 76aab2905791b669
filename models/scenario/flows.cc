#include "models/scenario/flows.h"

#include <algorithm>

#include "models/base/check.h"

namespace overlab {

std::string_view to_string(TrafficSpec::Kind kind) {
    switch (kind) {
        case TrafficSpec::Kind::tcp:
            return "tcp";
        case TrafficSpec::Kind::udp:
            return "udp";
        case TrafficSpec::Kind::request_response:
            return "request_response";
        case TrafficSpec::Kind::on_off:
            break;
    }
    return "on_off";
}

std::uint16_t server_port(std::size_t index) {
    constexpr std::size_t first = 5201, count = 40'000;
    return static_cast<std::uint16_t>(first + index % count);
}

Duration series_step(Duration run) {
    constexpr Duration finest = milliseconds(100);
    constexpr std::int64_t most_steps = 36'000;
    const std::int64_t tenths = run.ns / finest.ns;
    return finest * std::max<std::int64_t>(1, (tenths + most_steps - 1) / most_steps);
}

std::int64_t first_connectivity_ns(const Scenario& scenario, const std::vector<FlowReport>& flows) {
    CHECK(flows.size() <= scenario.traffic.size());
    std::int64_t earliest_ns = -1;
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const TrafficSpec& spec = scenario.traffic[i];
        const bool crosses = scenario.pods[spec.from].host != scenario.pods[spec.to].host;
        const std::int64_t first_ns = flows[i].first_delivery_ns;
        if (!crosses || first_ns < 0) continue;
        earliest_ns = earliest_ns < 0 ? first_ns : std::min(earliest_ns, first_ns);
    }
    return earliest_ns;
}

}  // namespace overlab
