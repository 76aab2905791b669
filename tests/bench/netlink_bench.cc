// How fast a host's rows get into the kernel: NetlinkStack::apply beside a bare loop that sends the
// same messages, encoded beforehand, 256 a system call. Both run in one namespace, in turns.
//
//   overlab_bench_netlink [Google Benchmark's options]
//
// A peer is three rows: neighbour, FDB row, route. The kernel does its part within the system call,
// so that CPU time tells nearly all and a busy machine changes it little: `us_per_peer` is CPU
// time, `x_bare` how many times the bare loop's (medians; target: at most 2 at 5,000 peers), and
// time per peer should not grow by more than half from 5,000 to 20,000 peers. `Time` is wall time.
// Needs the right to make namespaces.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "real/netlink/neighbour_rows.h"
#include "real/netlink/netlink_stack.h"
#include "real/netlink/route_rows.h"
#include "tests/bench/child.h"
#include "tests/support/kernel_host.h"

namespace overlab::bench {
namespace {

using Action = RowChange::Action;

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values.empty() ? 0.0 : values[values.size() / 2];
}

std::vector<RowChange> peer_rows(std::uint32_t peers) {
    std::vector<RowChange> changes;
    changes.reserve(3UL * peers);
    for (std::uint32_t n = 0; n < peers; ++n) {
        const Ipv4Address subnet{0x0a000000U + (n << 8)};
        const MacAddress mac{0x020000000000U + n};
        const Ipv4Address host{0xac100000U + n};
        changes.push_back({Action::install, NeighbourRow{"flannel.1", subnet, mac}});
        changes.push_back({Action::install, FdbRow{"flannel.1", mac, host}});
        changes.push_back(
            {Action::install, RouteRow{Ipv4Prefix::of(subnet, 24), "flannel.1", subnet, true}});
    }
    return changes;
}

/// The host, the stack, and a socket for the bare loop.
class Rig {
   public:
    explicit Rig(test::KernelHost& host)
        : stack_(real::NetlinkStack::open(host.netns, test::KernelHost::facts(), nullptr).value()),
          links_(real::Links::open(host.netns).value()),
          bare_(real::NetlinkSocket::open(NETLINK_ROUTE, &host.netns).value()) {}

    /// Rows go with the device that they are on.
    void fresh_device() {
        const RowChange device[] = {{Action::withdraw, device_}, {Action::install, device_}};
        for (const Result<void>& each : stack_->apply(device)) check(each);
    }
    /// CPU seconds for all.
    double apply(const std::vector<RowChange>& changes) {
        const double begin = cpu_seconds();
        const std::vector<Result<void>> outcomes = stack_->apply(changes);
        const double time = cpu_seconds() - begin;
        for (const Result<void>& each : outcomes) check(each);
        return time;
    }
    double send_bare(const std::vector<RowChange>& changes) {
        const std::uint32_t link = links_.index_of("flannel.1").value();
        real::NetlinkBatch batch;
        for (const RowChange& change : changes) encode(batch, change.row, link);
        const double begin = cpu_seconds();
        const std::vector<Result<void>> outcomes = bare_.execute(batch);
        const double time = cpu_seconds() - begin;
        for (const Result<void>& each : outcomes) check(each);
        return time;
    }
    double dump(std::size_t rows) {
        const double begin = cpu_seconds();
        const Result<ForwardingState> state = stack_->dump();
        const double time = cpu_seconds() - begin;
        if (!state || state->rows().size() != rows) throw std::runtime_error("dump");
        return time;
    }

   private:
    static void check(const Result<void>& outcome) {
        if (!outcome) throw std::runtime_error(outcome.error().what);
    }
    static void encode(real::NetlinkBatch& batch, const Row& row, std::uint32_t link) {
        if (const auto* const neighbour = std::get_if<NeighbourRow>(&row)) {
            real::put_neighbour(batch, Action::install, *neighbour, link);
        } else if (const auto* const fdb = std::get_if<FdbRow>(&row)) {
            real::put_fdb(batch, Action::install, *fdb, link);
        } else {
            real::put_route(batch, std::get<RouteRow>(row), link, 0x4f, real::Present::refuse);
        }
    }

    std::unique_ptr<real::NetlinkStack> stack_;
    real::Links links_;
    real::NetlinkSocket bare_;
    Row device_ = LinkRow{.name = "flannel.1",
                          .lower = "eth0",
                          .local = {0xc0000201},
                          .vni = 1,
                          .port = 8472,
                          .mtu = 1450,
                          .mac = {0x020000000001}};
};

Rig* rig = nullptr;

void program_peers(benchmark::State& state) {
    const auto peers = static_cast<std::uint32_t>(state.range(0));
    const std::vector<RowChange> changes = peer_rows(peers);
    std::vector<double> ours;
    std::vector<double> bare;
    std::vector<double> dumps;
    for (auto _ : state) {
        rig->fresh_device();
        bare.push_back(rig->send_bare(changes));
        rig->fresh_device();
        const double begin = wall_seconds();
        ours.push_back(rig->apply(changes));
        state.SetIterationTime(wall_seconds() - begin);
        dumps.push_back(rig->dump(changes.size() + 1));
    }
    state.counters["us_per_peer"] = median(ours) / peers * 1e6;
    state.counters["bare_us_per_peer"] = median(bare) / peers * 1e6;
    state.counters["x_bare"] = median(ours) / median(bare);
    state.counters["dump_us_per_peer"] = median(dumps) / peers * 1e6;
}

}  // namespace
}  // namespace overlab::bench

BENCHMARK(overlab::bench::program_peers)
    ->Arg(1000)
    ->Arg(5000)
    ->Arg(20000)
    ->Iterations(5)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    auto host = overlab::test::KernelHost::make();
    if (!host) {
        fmt::print(stderr, "no benchmark: {}\n", host.error().what);
        return 0;
    }
    overlab::bench::Rig rig(*host);
    overlab::bench::rig = &rig;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
