#include "models/fuzz/fuzz_faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "models/fuzz/cluster_surgery.h"

namespace overlab {
namespace {

using Kind = FaultSpec::Kind;

constexpr Duration shortest = seconds(1);
constexpr Duration longest = hours(4);
/// The first address that draw_scenario() gives to nobody.
constexpr std::uint32_t first_spare_address = 100;

/// How often each kind is drawn, among all. What only concerns packets is left out where none move.
struct Weight {
    Kind kind;
    unsigned weight;
    bool about_packets = false;
};
constexpr std::array<Weight, 18> weights{{
    {Kind::link_down, 4},
    {Kind::link_change, 3, true},
    {Kind::partition, 4},
    {Kind::host_crash, 6},
    {Kind::host_pause, 4},
    {Kind::agent_kill, 6},
    {Kind::store_unreachable, 5},
    {Kind::store_leader_loss, 3},
    {Kind::store_compaction, 4},
    {Kind::store_data_loss, 2},
    {Kind::clock_skew, 2},
    {Kind::lease_expiry, 4},
    {Kind::row_delete, 4},
    {Kind::row_change, 3},
    {Kind::foreign_route, 3},
    {Kind::vtep_mac, 2},
    {Kind::store_write, 3},
    {Kind::address_change, 3},
}};

class FaultWriter {
   public:
    FaultWriter(Scenario& scenario, Rng rng, Duration end)
        : scenario_(scenario), rng_(rng), end_(end) {
        for (std::size_t i = 0; i < scenario.underlay.nodes.size(); ++i) {
            const UnderlayNode& node = scenario.underlay.nodes[i];
            if (node.kind == UnderlayNode::Kind::host && node.runs_node) hosts_.push_back(i);
        }
    }

    void write(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) scenario_.faults.push_back(draw());
        number_faults(scenario_);
    }

   private:
    FaultSpec draw() {
        FaultSpec fault;
        fault.kind = draw_kind();
        const Duration first = scenario_.boot_spread + seconds(1);
        fault.at = first + draw_time(end_ - first - seconds(2));
        if (!is_instant(fault.kind)) {
            fault.lasts = std::min(draw_length(), end_ - fault.at);
            // An end outside the quiet time; what is whole seconds reads better.
            if (rng_.chance(1, 8)) fault.lasts = std::min(seconds(1), end_ - fault.at);
        }
        fill(fault);
        return fault;
    }

    Kind draw_kind() {
        const bool packets = !scenario_.traffic.empty();
        const bool vxlan = std::holds_alternative<VxlanConfig>(scenario_.network.backend);
        const auto weight_of = [&](const Weight& w) {
            if (w.about_packets && !packets) return 0U;
            if (w.kind == Kind::vtep_mac && !vxlan) return 0U;
            // One host is no partition of anything.
            if (w.kind == Kind::partition && hosts_.size() < 2) return 0U;
            return w.weight;
        };
        unsigned total = 0;
        for (const Weight& w : weights) total += weight_of(w);
        auto drawn = static_cast<unsigned>(rng_.below(total));
        for (const Weight& w : weights) {
            if (drawn < weight_of(w)) return w.kind;
            drawn -= weight_of(w);
        }
        return Kind::agent_kill;
    }

    /// In whole seconds, so that saved scenarios read well.
    Duration draw_time(Duration below) {
        const auto most = static_cast<std::uint64_t>(below.ns / seconds(1).ns) + 1;
        return seconds(static_cast<std::int64_t>(rng_.below(most)));
    }

    /// Each octave from `shortest` to `longest` as likely as any other.
    Duration draw_length() {
        std::vector<Duration> octaves{shortest};
        while (octaves.back() * 2 <= std::min(longest, end_ / 4))
            octaves.push_back(octaves.back() * 2);
        const Duration octave = octaves[rng_.below(octaves.size())];
        return octave + draw_time(octave - seconds(1));
    }

    std::size_t draw_host() { return hosts_[rng_.below(hosts_.size())]; }

    /// Mostly one; of several sometimes all.
    std::vector<std::size_t> draw_hosts() {
        if (!rng_.chance(1, 5)) return {draw_host()};
        std::vector<std::size_t> some;
        const bool all = rng_.chance(1, 3);
        for (const std::size_t host : hosts_) {
            if (all || rng_.chance(1, 2)) some.push_back(host);
        }
        if (some.empty()) some.push_back(draw_host());
        return some;
    }

    void fill(FaultSpec& fault) {
        switch (fault.kind) {
            case Kind::link_down:
            case Kind::link_change:
                return fill_link(fault);
            case Kind::partition:
                return fill_partition(fault);
            case Kind::store_leader_loss:
            case Kind::store_compaction:
                return;
            case Kind::store_data_loss:
                // Half of the time there is a backup, taken at some time before.
                if (rng_.chance(1, 2)) fault.restore_from = draw_time(fault.at);
                return;
            case Kind::store_write:
                return fill_write(fault);
            case Kind::address_change:
                return fill_address(fault);
            default:
                fault.hosts = draw_hosts();
                return fill_details(fault);
        }
    }

    void fill_link(FaultSpec& fault) {
        fault.link = rng_.below(scenario_.underlay.links.size());
        if (fault.kind == Kind::link_down) return;
        constexpr std::array<std::uint32_t, 3> shares{1'000'000, 10'000'000, 100'000'000};
        const std::uint32_t share = shares[rng_.below(shares.size())];
        switch (rng_.below(5)) {
            case 0:
                fault.change.loss_ppb = share;
                break;
            case 1:
                fault.change.corrupt_ppb = share;
                break;
            case 2:
                fault.change.duplicate_ppb = share;
                break;
            case 3:
                fault.change.reorder_ppb = share;
                fault.change.delay = milliseconds(1);
                break;
            default:
                fault.change.delay = milliseconds(1 + static_cast<std::int64_t>(rng_.below(20)));
        }
    }

    void fill_partition(FaultSpec& fault) {
        for (const std::size_t host : hosts_) {
            if (rng_.chance(1, 2)) fault.hosts.push_back(host);
        }
        if (fault.hosts.empty()) fault.hosts.push_back(draw_host());
    }

    void fill_details(FaultSpec& fault) {
        if (fault.kind == Kind::clock_skew) {
            if (rng_.chance(1, 2)) fault.offset = draw_length();
            // Up to five parts in a hundred either way: far worse than any crystal.
            if (rng_.chance(1, 2) || fault.offset == Duration{})
                fault.drift_ppm = static_cast<std::int32_t>(rng_.below(100'001)) - 50'000;
        }
        if (fault.kind == Kind::row_delete || fault.kind == Kind::row_change) {
            constexpr std::array kinds{FaultSpec::Rows::all, FaultSpec::Rows::route,
                                       FaultSpec::Rows::fdb, FaultSpec::Rows::neigh,
                                       FaultSpec::Rows::link};
            fault.rows = kinds[rng_.below(kinds.size())];
            if (rng_.chance(1, 2)) fault.peer = draw_host();
        }
        if (fault.kind == Kind::foreign_route) {
            fault.via = draw_host();
            fault.destination =
                Ipv4Prefix::of({scenario_.network.network.network.bits + (draw_subnet() << 8)}, 24);
        }
    }

    /// Around those that the first hosts get.
    std::uint32_t draw_subnet() {
        return static_cast<std::uint32_t>(1 + rng_.below(2 * hosts_.size()));
    }

    /// Garbage, in keys and in values; nothing that takes a subnet away from anybody.
    void fill_write(FaultSpec& fault) {
        constexpr std::array<const char*, 4> keys{"subnets/garbage", "subnets/10.244.300.0-24",
                                                  "subnets/10.244.255.0-24", "elsewhere"};
        constexpr std::array<const char*, 3> values{"", "{", R"({"PublicIP":"not an address"})"};
        fault.key = keys[rng_.below(keys.size())];
        fault.value = values[rng_.below(values.size())];
    }

    void fill_address(FaultSpec& fault) {
        const std::size_t host = draw_host();
        fault.hosts = {host};
        const Ipv4Prefix segment = Ipv4Prefix::of(*scenario_.underlay.nodes[host].address, 24);
        fault.address = segment.at(first_spare_address + spare_addresses_++);
    }

    Scenario& scenario_;
    Rng rng_;
    Duration end_;
    std::vector<std::size_t> hosts_;
    std::uint32_t spare_addresses_ = 0;
};

}  // namespace

void draw_faults(Scenario& scenario, Rng rng, std::size_t count, Duration end) {
    FaultWriter(scenario, rng, end).write(count);
}

}  // namespace overlab
