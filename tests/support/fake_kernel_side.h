// FakeKernelSide: a second model in the kernel's place: FakeHostStacks and packets on paper over an
// underlay of its own. WarpedKernelSide and WarpedSimSide plant mistakes in either half.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/crosscheck/expected_outcome.h"
#include "models/crosscheck/kernel_side.h"
#include "models/crosscheck/sim_side.h"
#include "models/crosscheck/table_ike.h"
#include "tests/support/fake_host_stack.h"

namespace overlab::test {

class FakeKernelSide final : public KernelSide {
   public:
    Result<void> reset(const CrossLayout& layout) override {
        layout_ = layout;
        hosts_.clear();
        for (const CrossHost& host : layout.hosts) {
            hosts_.push_back(std::make_unique<Host>(host, layout.segments[host.segment].mtu,
                                                    static_cast<std::uint8_t>(hosts_.size())));
        }
        return {};
    }
    HostStack& stack(std::size_t host) override { return hosts_[host]->stack; }
    IkeDaemon& ike(std::size_t host) override { return hosts_[host]->ike; }

    Result<void> set_pod(std::size_t host, Ipv4Prefix subnet, std::uint32_t mtu) override {
        Host& here = *hosts_[host];
        ForwardingTables& tables = here.stack.tables();
        LinkIndex bridge = tables.find_link("cni0");
        if (bridge == no_link) {
            bridge = tables.add_host_link(
                {.name = "cni0", .kind = TableLink::Kind::bridge, .mtu = mtu, .mac = {}});
        } else {
            tables.remove_host_address(bridge, here.pod->bridge(), here.pod->subnet.length);
            tables.set_host_link_mtu(bridge, mtu);
        }
        tables.add_host_address(bridge, subnet.at(1), subnet.length);
        here.pod = CrossPod{subnet, mtu};
        return {};
    }

    Result<void> meddle(std::size_t host, const RowChange& change) override {
        return hosts_[host]->stack.apply(std::span(&change, 1)).front();
    }

    Result<ProbeOutcome> probe(const ProbePacket& packet) override {
        std::vector<WalkHost> there;
        std::vector<ExpectedHost> hosts;
        for (const auto& host : hosts_) {
            const HostFacts facts = host->stack.facts();
            there.push_back({facts.name, facts.external_address, &host->stack.tables(), {}});
            if (host->pod) there.back().pods = {host->pod->address()};
            there.back().wireguard_key = WireguardKey::parse(facts.wireguard_public_key).value();
            hosts.push_back({&host->stack.tables(), host->pod});
        }
        const PacketWalk walk(there, [this](const std::string& from, const std::string& to,
                                            std::uint64_t) { return path(from, to); });
        return expected_outcome(walk, hosts, packet).outcome;
    }

   private:
    struct Host {
        Host(const CrossHost& host, std::uint32_t mtu, std::uint8_t number)
            : stack(host.name, host.address), ike(stack.tables()) {
            WireguardKey key;
            key.bytes.fill(static_cast<std::uint8_t>(0x40 + number));
            stack.changeable_facts().external_mtu = mtu;
            stack.changeable_facts().wireguard_public_key = key.to_string();
            stack.tables().set_host_link_mtu(stack.tables().find_link("eth0"), mtu);
        }
        FakeHostStack stack;
        TableIke ike;
        std::optional<CrossPod> pod;
    };

    [[nodiscard]] std::optional<UnderlayPath> path(const std::string& from,
                                                   const std::string& to) const {
        const auto segment = [this](const std::string& name) {
            for (const CrossHost& host : layout_.hosts) {
                if (host.name == name) return host.segment;
            }
            return std::size_t{0};
        };
        const std::uint32_t here = layout_.segments[segment(from)].mtu;
        const std::uint32_t there = layout_.segments[segment(to)].mtu;
        return UnderlayPath{.via = {},
                            .mtu = std::min(here, there),
                            .router_hops = segment(from) == segment(to) ? 0U : 1U};
    }

    CrossLayout layout_;
    std::vector<std::unique_ptr<Host>> hosts_;
};

/// What becomes of a change on its way into a stack; none: it is lost, and counts as done.
using Warp = std::function<std::optional<RowChange>(const RowChange&)>;

class WarpedStack final : public HostStack {
   public:
    WarpedStack(HostStack& stack, const Warp& warp) : stack_(&stack), warp_(&warp) {}

    HostFacts facts() const override { return stack_->facts(); }
    Result<ForwardingState> dump() override { return stack_->dump(); }
    Result<bool> on_link(Ipv4Address address) override { return stack_->on_link(address); }
    std::vector<Result<void>> apply(std::span<const RowChange> changes) override {
        std::vector<Result<void>> outcomes;
        for (const RowChange& change : changes) {
            const std::optional<RowChange> warped = (*warp_)(change);
            outcomes.push_back(warped ? stack_->apply(std::span(&*warped, 1)).front()
                                      : Result<void>{});
        }
        return outcomes;
    }

   private:
    HostStack* stack_;
    const Warp* warp_;
};

/// Either half anew, each of its hosts behind the mistake.
template <typename Side>
Result<void> reset_warped(Side& side, const CrossLayout& layout, const Warp& warp,
                          std::vector<std::unique_ptr<WarpedStack>>& stacks) {
    stacks.clear();
    auto done = side.reset(layout);
    for (std::size_t i = 0; done && i < layout.hosts.size(); ++i) {
        stacks.push_back(std::make_unique<WarpedStack>(side.stack(i), warp));
    }
    return done;
}

class WarpedKernelSide final : public KernelSide {
   public:
    WarpedKernelSide(KernelSide& side, Warp warp, std::function<void(ProbeOutcome&)> bend = {})
        : side_(&side), warp_(std::move(warp)), bend_(std::move(bend)) {}

    Result<void> reset(const CrossLayout& layout) override {
        return reset_warped(*side_, layout, warp_, stacks_);
    }
    HostStack& stack(std::size_t host) override { return *stacks_[host]; }
    IkeDaemon& ike(std::size_t host) override { return side_->ike(host); }
    Result<void> set_pod(std::size_t host, Ipv4Prefix subnet, std::uint32_t mtu) override {
        return side_->set_pod(host, subnet, mtu);
    }
    Result<void> meddle(std::size_t host, const RowChange& change) override {
        return side_->meddle(host, change);
    }
    Result<ProbeOutcome> probe(const ProbePacket& packet) override {
        Result<ProbeOutcome> outcome = side_->probe(packet);
        if (outcome && bend_) bend_(*outcome);
        return outcome;
    }

   private:
    KernelSide* side_;
    Warp warp_;
    std::function<void(ProbeOutcome&)> bend_;
    std::vector<std::unique_ptr<WarpedStack>> stacks_;
};

class WarpedSimSide final : public SimSide {
   public:
    WarpedSimSide(SimSide& side, Warp warp) : side_(&side), warp_(std::move(warp)) {}

    Result<void> reset(const CrossLayout& layout) override {
        return reset_warped(*side_, layout, warp_, stacks_);
    }
    HostStack& stack(std::size_t host) override { return *stacks_[host]; }
    ForwardingTables& tables(std::size_t host) override { return side_->tables(host); }
    void set_pod(std::size_t host, Ipv4Prefix subnet, std::uint32_t mtu) override {
        side_->set_pod(host, subnet, mtu);
    }
    PacketWalk walk() override { return side_->walk(); }

   private:
    SimSide* side_;
    Warp warp_;
    std::vector<std::unique_ptr<WarpedStack>> stacks_;
};

}  // namespace overlab::test
