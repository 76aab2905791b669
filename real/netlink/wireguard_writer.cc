#include "real/netlink/wireguard_writer.h"

#include <fmt/format.h>

namespace overlab::real {
namespace {

constexpr std::size_t max_pending = 1024;

Result<void> of_change(const RowChange& change, Result<void> outcome) {
    if (!outcome) {
        outcome.error().what = fmt::format("{}: {}", to_string(change.row), outcome.error().what);
    }
    return outcome;
}

}  // namespace

Result<void> WireguardWriter::check_device(const WireguardPeerRow& row) {
    const auto link = links_->find(row.link);
    if (!link) return std::unexpected(link.error());
    if (!(*link)->own) {
        return fail(ErrorKind::already_exists,
                    fmt::format("{} is the host's own device", row.link));
    }
    if ((*link)->facts.kind != "wireguard") {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{} is no wireguard device", row.link));
    }
    if (side_ != nullptr) return {};
    return fail(ErrorKind::unsupported, "this host has no WireGuard key");
}

void WireguardWriter::add(std::size_t index, const RowChange& change, const WireguardPeerRow& row) {
    const Result<void> device = check_device(row);
    if (!device) {
        // What is not there, or not ours, need not go.
        if (change.action == RowChange::Action::install) {
            (*outcomes_)[index] = of_change(change, device);
        }
        return;
    }
    pending_.push_back(&change);
    indices_.push_back(index);
    if (pending_.size() >= max_pending) flush();
}

void WireguardWriter::flush() {
    if (pending_.empty()) return;
    std::vector<Result<void>> answers = side_->devices.apply(pending_);
    for (std::size_t i = 0; i < answers.size(); ++i) {
        (*outcomes_)[indices_[i]] = of_change(*pending_[i], std::move(answers[i]));
    }
    pending_.clear();
    indices_.clear();
}

}  // namespace overlab::real
