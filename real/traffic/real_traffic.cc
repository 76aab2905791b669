#include "real/traffic/real_traffic.h"

#include <utility>

#include "real/traffic/timed_traffic.h"

namespace overlab::real {

std::unique_ptr<RealTraffic> RealTraffic::create(EventLoop& loop, const TrafficSpec& spec,
                                                 RealTrafficSetup setup) {
    // iperf3 cannot move a fixed amount: it ends the test once the last byte is in the sender's
    // buffer, and what is still under way neither arrives nor counts.
    const bool bulk = spec.kind == TrafficSpec::Kind::tcp && spec.bytes == 0;
    if (bulk || spec.kind == TrafficSpec::Kind::udp) {
        return make_iperf3_traffic(loop, spec, std::move(setup));
    }
    return make_prober_traffic(loop, spec, std::move(setup));
}

}  // namespace overlab::real
