#include "cli/sim_tracer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/sim_world.h"
#include "sim/walk.h"

namespace overlab::cli {
namespace {

/// IKE needs a few round trips after the rows are in place.
constexpr Duration settling_time = seconds(1);

Result<Ipv4Address> address_of(const sim::SimWorld& world, const std::string& name) {
    const auto pod =
        std::ranges::find_if(world.pods(), [&](const auto& one) { return one->name() == name; });
    if (pod == world.pods().end())
        return fail(ErrorKind::not_found, fmt::format("pod {}: there is none", name));
    if (!(*pod)->is_configured()) {
        return fail(ErrorKind::unavailable,
                    fmt::format("pod {}: has no address, because its host has no lease", name));
    }
    return (*pod)->address();
}

}  // namespace

Result<Trace> trace_in_sim(const Scenario& scenario, std::uint64_t seed,
                           const TracePacket& packet) {
    Scenario quiet = scenario;
    quiet.traffic.clear();
    RunOptions options;
    options.seed = seed;
    OVERLAB_TRY(const auto world, sim::SimWorld::build(quiet, options));
    if (!world->run_until_converged(quiet.duration.ns)) {
        return fail(
            ErrorKind::unavailable,
            fmt::format("scenario {}: not every node had its peers' rows at the end of {} ms",
                        quiet.name, quiet.duration.ns / 1'000'000));
    }
    world->run_until(world->engine().now_ns() + settling_time.ns);

    OVERLAB_TRY(const Ipv4Address from, address_of(*world, packet.from));
    OVERLAB_TRY(const Ipv4Address to, address_of(*world, packet.to));
    const PacketWalk walk = sim::packet_walk(world->network());
    WalkPacket walker;
    walker.source = from;
    walker.destination = to;
    walker.size = packet.size_bytes;
    walker.dont_fragment = packet.dont_fragment;
    Trace trace{.there = walk.walk(walker), .back = std::nullopt};
    if (trace.there.disposition == Disposition::delivered) {
        std::swap(walker.source, walker.destination);
        trace.back = walk.walk(walker);
    }
    return trace;
}

}  // namespace overlab::cli
