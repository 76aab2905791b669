#include "real/agent/host_agent.h"

#include <utility>

namespace overlab::real {

Result<std::unique_ptr<HostAgent>> HostAgent::create(EventLoop& loop, const AgentOptions& options,
                                                     Tell tell) {
    std::unique_ptr<HostAgent> agent(new HostAgent(loop, std::move(tell)));
    if (auto assembled = agent->assemble(options); !assembled)
        return std::unexpected(assembled.error());
    return agent;
}

HostAgent::HostAgent(EventLoop& loop, Tell tell) : loop_(loop), tell_(std::move(tell)) {}

// The node goes first: it points at everything else.
HostAgent::~HostAgent() { node_.reset(); }

Result<void> HostAgent::assemble(const AgentOptions& options) {
    OVERLAB_TRY(const Netns here, Netns::current());
    OVERLAB_TRY(tunnel_, UdpTunnel::create(here, options.tunnel));
    OVERLAB_TRY(stack_, NetlinkStack::open(here, options.facts, tunnel_.get(), options.netlink));
    OVERLAB_TRY(kv_, EtcdKvStore::create(loop_, options.etcd));
    leases_ = std::make_unique<KvLeaseStore>(loop_, *kv_, decoder_, options.leases);
    if (options.with_ike) {
        OVERLAB_TRY(charon_, Charon::start({.netns = nullptr, .folder = options.folder}));
        strongswan_ = std::make_unique<StrongswanDaemon>(charon_->socket());
        ike_ = std::make_unique<IkeWatchdog>(loop_, *strongswan_);
    }
    NodeObserver& observer = *this;
    node_ =
        std::make_unique<OverlayNode>(loop_, *stack_, *leases_, ike_.get(), observer, options.node);
    return {};
}

void HostAgent::lease_acquired(const HeldLease& held, std::uint32_t overlay_mtu) {
    if (!lease_acquired_) lease_acquired_ = loop_.now();
    tell_({.kind = AgentMessage::Kind::lease,
           .at_ns = loop_.now().ns,
           .subnet = held.lease->subnet.v4,
           .mtu = overlay_mtu});
}

void HostAgent::rows_applied(std::size_t installed, std::size_t withdrawn, std::size_t) {
    if (installed + withdrawn == 0) return;
    last_change_ = loop_.now();
    tell_({.kind = AgentMessage::Kind::rows,
           .at_ns = last_change_.ns,
           .row_count = installed + withdrawn,
           .store_messages = kv_->counters().requests + kv_->counters().responses,
           .converged = node_->converged()});
}

void HostAgent::remark(const std::string& what) {
    tell_({.kind = AgentMessage::Kind::remark, .at_ns = loop_.now().ns, .text = what});
}

AgentStatus HostAgent::status() {
    AgentStatus status{.converged = node_->converged(),
                       .peers = node_->peer_count(),
                       .overlay_mtu = node_->overlay_mtu(),
                       .last_change_ns = last_change_.ns};
    if (const auto& held = node_->held()) status.lease = held->lease->subnet.to_string();
    if (lease_acquired_) status.lease_acquired_ns = lease_acquired_->ns;
    const EtcdKvStore::Counters counters = kv_->counters();
    status.store_messages = counters.requests + counters.responses;
    status.store_bytes = counters.bytes_sent + counters.bytes_received;
    for (const auto& [subnet, why] : node_->unsupported_peers())
        status.unsupported[subnet.to_string()] = why;
    if (auto dump = stack_->dump()) {
        status.rows = dump->rows().size();
        if (auto sas = stack_->security_associations()) {
            for (const SaRow& sa : *sas) dump->install(sa);
        }
        status.forwarding = dump->to_string();
    }
    return status;
}

}  // namespace overlab::real
