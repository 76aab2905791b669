#include "models/crosscheck/crosscheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "models/base/check.h"
#include "models/crosscheck/expected_outcome.h"
#include "models/crosscheck/meddling.h"
#include "models/crosscheck/table_ike.h"
#include "models/net/wireguard_key.h"

namespace overlab {
namespace {

constexpr std::size_t max_lines = 12;

/// A simulated host has no WireGuard key of its own; it gets the public half of the real one's, so
/// that both worlds' leases and rows are about the same keys.
class KeyedStack final : public HostStack {
   public:
    KeyedStack(HostStack& stack, std::string key) : stack_(&stack), key_(std::move(key)) {}

    [[nodiscard]] HostFacts facts() const override {
        HostFacts facts = stack_->facts();
        facts.wireguard_public_key = key_;
        return facts;
    }
    [[nodiscard]] Result<ForwardingState> dump() override { return stack_->dump(); }
    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override {
        return stack_->apply(changes);
    }
    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override {
        return stack_->on_link(address);
    }

   private:
    HostStack* stack_;
    std::string key_;
};

/// Rows of the one that the other does not hold just so.
std::string only_in(const ForwardingState& one, const ForwardingState& other,
                    std::string_view who) {
    std::string text;
    std::size_t lines = 0;
    for (const Row& row : one.rows()) {
        const Row* found = other.find(row);
        if (found != nullptr && *found == row) continue;
        if (++lines > max_lines) return text + " ...\n";
        text += fmt::format(" only in the {}: {}\n", who, to_string(row));
    }
    return text;
}

std::string text(const HostFacts& facts) {
    return fmt::format("{} {} {} mtu {}", facts.name, facts.external_link,
                       facts.external_address.to_string(), facts.external_mtu);
}

std::string text(const Result<void>& outcome) { return outcome ? "done" : outcome.error().what; }

}  // namespace

void CrosscheckCounts::add(const CrosscheckCounts& other) {
    histories += other.histories;
    steps += other.steps;
    rows += other.rows;
    probes_left_out += other.probes_left_out;
    for (const auto& [disposition, count] : other.probes) probes[disposition] += count;
}

std::uint64_t CrosscheckCounts::probe_count() const {
    std::uint64_t sum = 0;
    for (const auto& [disposition, count] : probes) sum += count;
    return sum;
}

std::string CrossDifference::to_string() const {
    std::string text = fmt::format("after step {}: {}", step, what);
    if (!way.empty()) text += "\nthe walk:\n" + way;
    return text;
}

/// One history under way. Order matters: clusters go before what they stand on.
struct Crosscheck::Run {
    const History* history;
    std::vector<std::unique_ptr<KeyedStack>> keyed;
    std::vector<std::unique_ptr<TableIke>> ike;
    std::unique_ptr<CrossCluster> simulated, real;
};

Result<std::optional<CrossDifference>> Crosscheck::run(const History& history) {
    if (auto ready = sim_->reset(history.layout); !ready) return std::unexpected(ready.error());
    if (auto ready = kernel_->reset(history.layout); !ready) return std::unexpected(ready.error());
    Run run{.history = &history, .keyed = {}, .ike = {}, .simulated = {}, .real = {}};
    std::vector<CrossPorts> simulated;
    std::vector<CrossPorts> real;
    for (std::size_t i = 0; i < history.layout.hosts.size(); ++i) {
        HostStack& stack = kernel_->stack(i);
        run.keyed.push_back(
            std::make_unique<KeyedStack>(sim_->stack(i), stack.facts().wireguard_public_key));
        run.ike.push_back(std::make_unique<TableIke>(sim_->tables(i)));
        simulated.push_back({run.keyed.back().get(), run.ike.back().get(),
                             [this, i](Ipv4Prefix subnet, std::uint32_t mtu) {
                                 sim_->set_pod(i, subnet, mtu);
                                 return Result<void>{};
                             }});
        real.push_back({&stack, &kernel_->ike(i), [this, i](Ipv4Prefix subnet, std::uint32_t mtu) {
                            return kernel_->set_pod(i, subnet, mtu);
                        }});
    }
    run.simulated = std::make_unique<CrossCluster>(history, std::move(simulated));
    run.real = std::make_unique<CrossCluster>(history, std::move(real));
    for (std::size_t step = 0; step < history.steps.size(); ++step) {
        OVERLAB_TRY(std::optional<CrossDifference> found, take_step(run, history.steps[step]));
        if (!found) continue;
        found->step = step;
        return found;
    }
    ++counts_.histories;
    return std::nullopt;
}

Result<std::optional<CrossDifference>> Crosscheck::take_step(Run& run, const HistoryStep& step) {
    ++counts_.steps;
    const bool meddles = step.kind == HistoryStep::Kind::meddle_delete ||
                         step.kind == HistoryStep::Kind::meddle_change;
    if (meddles) {
        OVERLAB_TRY(const std::optional<std::string> differs, meddle(run, step));
        if (differs) return CrossDifference{.what = *differs};
    }
    if (auto done = run.simulated->apply(step); !done) return std::unexpected(done.error());
    if (auto done = run.real->apply(step); !done) return std::unexpected(done.error());
    OVERLAB_TRY(const std::optional<std::string> differs, compare_hosts(run));
    if (differs) return CrossDifference{.what = *differs};
    for (const HistoryProbe& probe : step.probes) {
        OVERLAB_TRY(std::optional<CrossDifference> found, compare_probe(run, probe));
        if (found) return found;
    }
    return std::nullopt;
}

Result<std::optional<std::string>> Crosscheck::meddle(const Run& run, const HistoryStep& step) {
    OVERLAB_TRY(const ForwardingState rows, run.keyed[step.host]->dump());
    const bool changes = step.kind == HistoryStep::Kind::meddle_change;
    const std::optional<RowChange> change = meddling(rows, step.pick, changes);
    if (!change) return std::nullopt;
    ForwardingTables& tables = sim_->tables(step.host);
    const bool installs = change->action == RowChange::Action::install;
    const Result<void> simulated =
        installs ? tables.install(change->row) : tables.withdraw(change->row);
    const Result<void> real = kernel_->meddle(step.host, *change);
    if (simulated.has_value() == real.has_value()) return std::nullopt;
    return fmt::format("{} by hand on {}: {}\n model: {}\n kernel: {}",
                       installs ? "changed" : "deleted", run.history->layout.hosts[step.host].name,
                       overlab::to_string(change->row), text(simulated), text(real));
}

Result<std::optional<std::string>> Crosscheck::compare_hosts(const Run& run) {
    for (std::size_t i = 0; i < run.keyed.size(); ++i) {
        const std::string& name = run.history->layout.hosts[i].name;
        const auto differ = [&](std::string_view what, const std::string& model,
                                const std::string& kernel) {
            return fmt::format("{}: {}\n model: {}\n kernel: {}", name, what, model, kernel);
        };
        const std::string facts = text(sim_->stack(i).facts());
        const std::string real_facts = text(kernel_->stack(i).facts());
        if (facts != real_facts) return differ("facts", facts, real_facts);
        const std::string agent = run.simulated->agent_text(i);
        const std::string real_agent = run.real->agent_text(i);
        OVERLAB_TRY(const ForwardingState rows, run.keyed[i]->dump());
        OVERLAB_TRY(const ForwardingState real_rows, kernel_->stack(i).dump());
        counts_.rows += rows.rows().size();
        if (rows != real_rows) {
            return fmt::format("{}: rows differ (agents: {}; {})\n{}{}", name, agent, real_agent,
                               only_in(rows, real_rows, "model"),
                               only_in(real_rows, rows, "kernel"));
        }
        if (agent != real_agent) return differ("the agents differ", agent, real_agent);
    }
    return std::nullopt;
}

Result<std::optional<CrossDifference>> Crosscheck::compare_probe(const Run& run,
                                                                 const HistoryProbe& probe) {
    const std::optional<CrossPod>& from = run.simulated->pod(probe.from);
    const std::optional<CrossPod>& to = run.simulated->pod(probe.to);
    // Within one subnet a pod asks for the other on its own bridge: no host has a part in it.
    if (!from || !to || from->subnet.overlaps(to->subnet)) {
        ++counts_.probes_left_out;
        return std::nullopt;
    }
    constexpr std::uint64_t nobody_is_here = 40;
    const Ipv4Address nowhere{0x0af40fa0};  // 10.244.15.160: in the smallest network drawn
    ProbePacket packet{.host = probe.from,
                       .destination = to->address(),
                       .size = std::min(probe.size, from->mtu),
                       .dont_fragment = probe.dont_fragment,
                       .ttl = probe.ttl};
    if (probe.target == HistoryProbe::Target::absent_pod) {
        packet.destination = to->subnet.at(nobody_is_here);
    }
    if (probe.target == HistoryProbe::Target::nowhere) packet.destination = nowhere;
    if (from->subnet.contains(packet.destination)) {
        ++counts_.probes_left_out;
        return std::nullopt;
    }

    std::vector<ExpectedHost> hosts;
    for (std::size_t i = 0; i < run.keyed.size(); ++i) {
        hosts.push_back({&sim_->tables(i), run.simulated->pod(i)});
    }
    PacketWalk walk = sim_->walk();
    for (std::size_t i = 0; i < run.keyed.size(); ++i) {
        const auto key = WireguardKey::parse(run.keyed[i]->facts().wireguard_public_key);
        if (key) walk.set_wireguard_key(i, *key);
    }
    const ExpectedOutcome expected = expected_outcome(walk, hosts, packet);
    OVERLAB_TRY(const ProbeOutcome actual, kernel_->probe(packet));
    ++counts_.probes[std::string(to_string(expected.disposition))];
    const std::string differs = difference(expected, actual);
    if (differs.empty()) return std::nullopt;
    std::string way = expected.way;
    for (std::size_t i = 0; i < run.keyed.size(); ++i) {
        way += fmt::format("rows of {}:\n{}", run.history->layout.hosts[i].name,
                           sim_->tables(i).dump(true).to_string());
    }
    return CrossDifference{
        .what = fmt::format("probe from {} ({}) to {}, {} bytes{}, ttl {}:\n {}",
                            run.history->layout.hosts[probe.from].name, from->address().to_string(),
                            packet.destination.to_string(), packet.size,
                            packet.dont_fragment ? " DF" : "", packet.ttl, differs),
        .way = std::move(way)};
}

}  // namespace overlab
