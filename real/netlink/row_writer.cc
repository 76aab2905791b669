#include "real/netlink/row_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "models/base/check.h"
#include "real/netlink/address_rows.h"
#include "real/netlink/neighbour_rows.h"

namespace overlab::real {
namespace {

using Action = RowChange::Action;

/// So many messages wait at most: they stay in the processor's cache.
constexpr std::size_t max_pending = 1024;

std::uint64_t number_of(Ipv4Prefix prefix) {
    return (std::uint64_t{prefix.network.bits} << 8) | prefix.length;
}

bool withdraws(const RowChange& change) { return change.action == Action::withdraw; }

}  // namespace

// ---- ForeignRoutes ----

void ForeignRoutes::learn(std::span<const KernelRoute> routes, std::uint8_t own_protocol) {
    known_ = true;
    destinations_.clear();
    for (const KernelRoute& route : routes) {
        if (route.protocol != own_protocol) destinations_.push_back(route.destination);
    }
}

bool ForeignRoutes::hold(Ipv4Prefix destination) const {
    return std::ranges::binary_search(destinations_, destination);
}

// ---- RowWriter ----

RowWriter::RowWriter(NetlinkSocket& socket, LinkTable& links, ForeignRoutes& foreign,
                     std::uint8_t own_protocol, std::vector<Result<void>>& outcomes,
                     Ipv4Address own_address)
    : socket_(&socket),
      links_(&links),
      foreign_(&foreign),
      own_protocol_(own_protocol),
      outcomes_(&outcomes),
      own_address_(own_address) {}

void RowWriter::add(std::size_t index, const RowChange& change) {
    const Pending pending{.index = index, .change = &change};
    std::visit(
        [&](const auto& row) {
            if constexpr (requires { write(pending, row); }) {
                write(pending, row);
            } else {
                CHECK(false);  // Not a row of this writer's.
            }
        },
        change.row);
    if (batch_.size() >= max_pending) flush();
}

void RowWriter::fail_with(const Pending& pending, ErrorKind kind, std::string_view why) {
    (*outcomes_)[pending.index] =
        fail(kind, fmt::format("{}: {}", to_string(pending.change->row), why));
}

const KnownLink* RowWriter::link_for(const LinkName& name, const Pending& pending,
                                     bool must_be_own) {
    const Result<const KnownLink*> link = links_->find(name);
    if (link && (!must_be_own || (*link)->own)) return *link;
    if (link) {
        if (!withdraws(*pending.change)) {
            fail_with(pending, ErrorKind::already_exists,
                      fmt::format("{} is the host's own device", name));
        }
    } else if (!withdraws(*pending.change) || link.error().kind != ErrorKind::not_found) {
        fail_with(pending, link.error().kind, link.error().what);
    }
    return nullptr;
}

void RowWriter::write(Pending pending, const AddressRow& row) {
    const KnownLink* const link = link_for(row.link, pending, true);
    if (link == nullptr) return;
    if (!withdraws(*pending.change) && row.prefix.length != 32) {
        return fail_with(pending, ErrorKind::invalid_argument,
                         "only /32 addresses are ours to set");
    }
    put_address(batch_, pending.change->action, row, link->index());
    pending_.push_back(pending);
}

void RowWriter::write(Pending pending, const NeighbourRow& row) {
    const KnownLink* const link = link_for(row.link, pending, true);
    if (link == nullptr) return;
    put_neighbour(batch_, pending.change->action, row, link->index());
    pending_.push_back(pending);
}

void RowWriter::write(Pending pending, const FdbRow& row) {
    const KnownLink* const link = link_for(row.link, pending, true);
    if (link == nullptr) return;
    // Other devices would take it for an address to listen to (ndo_dflt_fdb_add).
    if (link->facts.kind != "vxlan") {
        if (withdraws(*pending.change)) return;
        return fail_with(pending, ErrorKind::invalid_argument,
                         fmt::format("{} is no vxlan device", row.link));
    }
    put_fdb(batch_, pending.change->action, row, link->index());
    pending_.push_back(pending);
}

void RowWriter::write(Pending pending, const RouteRow& row) {
    if (routes_pending_.find(number_of(row.destination)) != nullptr) flush();
    if (withdraws(*pending.change)) {
        put_route_deletion(batch_, row.destination, own_protocol_);
        pending_.push_back(pending);
        return;
    }
    const KnownLink* const link = link_for(row.link, pending, false);
    if (link == nullptr) return;
    // Without `onlink` the kernel would take it (fib_check_nh_v4_gw lets RTN_LOCAL pass).
    if (row.gateway && *row.gateway == own_address_) {
        return fail_with(pending, ErrorKind::invalid_argument,
                         fmt::format("nexthop has invalid gateway: {} is this host's own address",
                                     own_address_.to_string()));
    }
    if (!foreign_->known()) look_at_routes();
    // An old look may know routes that are gone since.
    if (foreign_->hold(row.destination) && !looked_) look_at_routes();
    if (foreign_->hold(row.destination)) {
        return fail_with(
            pending, ErrorKind::already_exists,
            fmt::format("the host has a route of its own to {}", row.destination.to_string()));
    }
    pending.link = link->index();
    put_route(batch_, row, pending.link, own_protocol_, Present::refuse);
    pending_.push_back(pending);
    routes_pending_.put(number_of(row.destination), 0);
}

void RowWriter::look_at_routes() {
    looked_ = true;
    // If it cannot be read, NLM_F_EXCL still protects routes with our metric.
    const auto routes = read_routes(*socket_);
    if (routes) foreign_->learn(*routes, own_protocol_);
}

void RowWriter::note(const Pending& pending, const Result<void>& outcome) {
    if (outcome) return;
    const Error& error = outcome.error();
    if (withdraws(*pending.change) && error.kind == ErrorKind::not_found) return;
    (*outcomes_)[pending.index] =
        fail(error.kind, fmt::format("{}: {}", to_string(pending.change->row), error.what),
             error.os_errno);
}

void RowWriter::flush() {
    if (pending_.empty()) return;
    const std::vector<Result<void>> answers = socket_->execute(batch_);
    std::vector<Pending> refused;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
        const bool taken = !answers[i] && answers[i].error().kind == ErrorKind::already_exists &&
                           std::holds_alternative<RouteRow>(pending_[i].change->row);
        if (taken) {
            refused.push_back(pending_[i]);
        } else {
            note(pending_[i], answers[i]);
        }
    }
    batch_.clear();
    pending_.clear();
    routes_pending_ = {};
    if (!refused.empty()) replace_own(refused);
}

void RowWriter::replace_own(std::span<const Pending> refused) {
    look_at_routes();
    NetlinkBatch batch;
    std::vector<Pending> sent;
    for (const Pending& pending : refused) {
        const auto& row = std::get<RouteRow>(pending.change->row);
        if (foreign_->hold(row.destination)) {
            fail_with(
                pending, ErrorKind::already_exists,
                fmt::format("the host has a route of its own to {}", row.destination.to_string()));
            continue;
        }
        put_route(batch, row, pending.link, own_protocol_, Present::replace);
        sent.push_back(pending);
    }
    const std::vector<Result<void>> answers = socket_->execute(batch);
    for (std::size_t i = 0; i < sent.size(); ++i) note(sent[i], answers[i]);
}

}  // namespace overlab::real
