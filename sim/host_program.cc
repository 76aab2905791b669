#include "sim/host_program.h"

#include <variant>

namespace overlab::sim {
namespace {

KvLeaseStoreOptions lease_options(const HostProgram::Setup& setup, const SimHost& host) {
    return {
        .lease_ttl = setup.scenario->store.lease_ttl, .seed = setup.seed, .host = host.host_name()};
}

NodeOptions node_options(const HostProgram::Setup& setup) {
    return {.seed = setup.seed, .audit_interval = setup.scenario->sim.audit_interval};
}

}  // namespace

HostProgram::HostProgram(SimHost& host, Runtime& runtime, const Setup& setup)
    : host_(host),
      runtime_(runtime),
      setup_(setup),
      stack_(host),
      kv_(host, runtime, setup.store, {.seed = setup.seed}),
      leases_(runtime, kv_, *setup.decoder, lease_options(setup, host)),
      ike_(make_ike(host, runtime, *this, setup)),
      node_(runtime, stack_, leases_, ike_.get(), *this, node_options(setup)) {}

/// Only a host whose backend is ipsec runs an IKE daemon, as flannel starts charon only then.
std::unique_ptr<SimIkeDaemon> HostProgram::make_ike(SimHost& host, Runtime& runtime, SaSink& sink,
                                                    const Setup& setup) {
    if (!std::holds_alternative<IpsecConfig>(setup.scenario->network.backend)) return nullptr;
    return std::make_unique<SimIkeDaemon>(host, runtime, sink, IkeOptions{.seed = setup.seed});
}

void HostProgram::lease_acquired(const HeldLease& held, std::uint32_t overlay_mtu) {
    if (!lease_acquired_) lease_acquired_ = runtime_.now();
    host_.set_up_pods(held.lease->subnet.v4, overlay_mtu);
}

void HostProgram::rows_applied(std::size_t installed, std::size_t withdrawn, std::size_t) {
    if (installed + withdrawn > 0) last_change_ = runtime_.now();
}

void HostProgram::remark(const std::string& what) { setup_.remark(host_.host_name(), what); }

void HostProgram::install(const SaRow& sa, const EspKey& key) {
    setup_.keys->add(sa, key);
    // An SA names no link and no gateway: nothing can refuse it.
    const auto installed = host_.tables().install(sa);
    CHECK(installed.has_value());
}

void HostProgram::withdraw(const SaRow& sa) {
    const auto withdrawn = host_.tables().withdraw(sa);
    CHECK(withdrawn.has_value());
}

}  // namespace overlab::sim
