// NodeCluster: whole nodes over one store in memory, and walks between their pods. Hosts 1..near
// are on 192.0.2.0/24, the others each behind a router on 198.51.100.0/24.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/forwarding/packet_walk.h"
#include "models/node/overlay_node.h"
#include "models/store/kv_lease_store.h"
#include "models/store/local_kv_store.h"
#include "tests/support/fake_host_stack.h"
#include "tests/support/node_lab.h"
#include "tests/support/virtual_runtime.h"

namespace overlab::test {

struct ClusterHost {
    ClusterHost(VirtualRuntime& runtime, LocalKvServer& server, LeaseDecoder& decoder,
                const std::string& name, Ipv4Address address)
        : stack(name, address, &faults),
          ike(&faults),
          kv(runtime, server, milliseconds(2)),
          leases(runtime, kv, decoder, {.lease_ttl = minutes(10), .host = name}) {}

    CallFaults faults;
    FakeHostStack stack;
    FakeIkeDaemon ike;
    LocalKvStore kv;
    KvLeaseStore leases;
    RecordingObserver observer;
    std::optional<OverlayNode> node;
};

class NodeCluster {
   public:
    NodeCluster(std::string_view config, unsigned near, unsigned far) : server_(runtime) {
        KvTxn write;
        write.puts.push_back({"/coreos.com/network/config", std::string(config), {}});
        (void)server_.apply([&](MvccStore& store, Instant now) { return store.txn(write, now); });
        for (unsigned n = 1; n <= near; ++n) add(fmt::format("192.0.2.{}", n));
        for (unsigned n = 1; n <= far; ++n) add(fmt::format("198.51.100.{}", n));
    }

    VirtualRuntime runtime;
    std::vector<std::unique_ptr<ClusterHost>> hosts;

    void start(std::size_t i) {
        hosts[i]->node.emplace(runtime, hosts[i]->stack, hosts[i]->leases, &hosts[i]->ike,
                               hosts[i]->observer, NodeOptions{.renew_margin = minutes(5)});
        hosts[i]->node->start();
    }
    void start_all() {
        for (std::size_t i = 0; i < hosts.size(); ++i) start(i);
    }

    /// True once every node has converged and knows all others.
    [[nodiscard]] bool converges(Duration deadline) {
        return runtime.run_until_true(
            [this] {
                for (const auto& host : hosts) {
                    if (!host->node->converged()) return false;
                    if (host->node->peer_count() != hosts.size() - 1) return false;
                }
                return true;
            },
            runtime.now() + deadline);
    }

    [[nodiscard]] bool hosts_are_as_planned() const {
        for (const auto& host : hosts) {
            if (host->stack.tables().dump() != host->node->plan_all()) return false;
        }
        return true;
    }

    /// How each pair's pods fare: `host-1 to host-2: delivered`, one line a pair that is not
    /// delivered.
    [[nodiscard]] std::string failures() {
        std::string text;
        const PacketWalk walk(walk_hosts(), path);
        for (const auto& from : hosts) {
            for (const auto& to : hosts) {
                if (from == to) continue;
                const Disposition end =
                    walk.walk({.source = pod(*from), .destination = pod(*to)}).disposition;
                if (end == Disposition::delivered) continue;
                text += fmt::format("{} to {}: {}\n", from->stack.facts().name,
                                    to->stack.facts().name, to_string(end));
            }
        }
        return text;
    }

   private:
    void add(const std::string& address) {
        hosts.push_back(std::make_unique<ClusterHost>(runtime, server_, decoder_,
                                                      fmt::format("host-{}", hosts.size() + 1),
                                                      Ipv4Address::parse(address).value()));
    }

    [[nodiscard]] static Ipv4Address pod(const ClusterHost& host) {
        return host.node->held()->lease->subnet.v4.at(2);
    }

    /// Hosts as walks see them; gives each the bridge that a container runtime would set up.
    [[nodiscard]] std::vector<WalkHost> walk_hosts() {
        std::vector<WalkHost> found;
        for (const auto& host : hosts) {
            ForwardingTables& tables = host->stack.tables();
            const Ipv4Prefix subnet = host->node->held()->lease->subnet.v4;
            LinkIndex bridge = tables.find_link("cni0");
            if (bridge == no_link) {
                bridge = tables.add_host_link(
                    {.name = "cni0", .kind = TableLink::Kind::bridge, .mac = {}});
            }
            if (!tables.is_local(subnet.at(1))) {
                tables.add_host_address(bridge, subnet.at(1), subnet.length);
            }
            const HostFacts facts = host->stack.facts();
            found.push_back({facts.name, facts.external_address, &tables, {pod(*host)}});
        }
        return found;
    }

    [[nodiscard]] std::optional<UnderlayPath> between(const std::string& from,
                                                      const std::string& to) const {
        const auto segment = [this](const std::string& name) {
            for (const auto& host : hosts) {
                const HostFacts facts = host->stack.facts();
                if (facts.name == name) return facts.external_address.bits >> 8;
            }
            return 0U;
        };
        return UnderlayPath{.router_hops = segment(from) == segment(to) ? 0U : 1U};
    }

    UnderlayPathFn path = [this](const std::string& from, const std::string& to, std::uint64_t) {
        return between(from, to);
    };
    LocalKvServer server_;
    LeaseDecoder decoder_;
};

}  // namespace overlab::test
