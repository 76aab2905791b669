#include "sim/sim_host_stack.h"

#include <fmt/format.h>

namespace overlab::sim {

HostFacts SimHostStack::facts() const {
    return {.name = host_->host_name(),
            .external_link = "eth0",
            .external_address = host_->address(),
            .external_mtu = host_->external_mtu()};
}

Result<ForwardingState> SimHostStack::dump() { return host_->tables().dump(); }

std::vector<Result<void>> SimHostStack::apply(std::span<const RowChange> changes) {
    std::vector<Result<void>> outcomes;
    outcomes.reserve(changes.size());
    ForwardingTables& tables = host_->tables();
    for (const RowChange& change : changes) {
        outcomes.push_back(change.action == RowChange::Action::install
                               ? tables.install(change.row)
                               : tables.withdraw(change.row));
    }
    return outcomes;
}

/// As `ip route get`: on-link when no gateway stands between. The catch-all `default dev eth0` of a
/// host without a router says nothing about the neighbourhood, so it does not count.
Result<bool> SimHostStack::on_link(Ipv4Address address) {
    const auto match = host_->tables().route(address);
    if (!match) {
        return fail(ErrorKind::not_found, fmt::format("{}: no route", address.to_string()));
    }
    return !match->entry.has_gateway && match->prefix.length > 0;
}

}  // namespace overlab::sim
