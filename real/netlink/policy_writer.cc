#include "real/netlink/policy_writer.h"

#include <fmt/format.h>

#include <optional>

#include "real/netlink/policy_rows.h"

namespace overlab::real {
namespace {

constexpr std::size_t max_pending = 1024;

}  // namespace

void PolicyWriter::add(std::size_t index, const RowChange& change, const PolicyRow& row) {
    const Pending pending{.index = index, .row = &row};
    if (change.action == RowChange::Action::withdraw) {
        flush();
        return note(pending, remove(row));
    }
    if (row.reqid != own_reqid_) {
        return note(pending, fail(ErrorKind::invalid_argument,
                                  fmt::format("policies of ours have reqid {}", own_reqid_)));
    }
    put_policy(batch_, PolicyChange::add, row);
    pending_.push_back(pending);
    if (pending_.size() >= max_pending) flush();
}

void PolicyWriter::note(const Pending& pending, const Result<void>& outcome) {
    if (outcome) return;
    (*outcomes_)[pending.index] =
        fail(outcome.error().kind,
             fmt::format("{}: {}", to_string(Row(*pending.row)), outcome.error().what),
             outcome.error().os_errno);
}

void PolicyWriter::flush() {
    if (pending_.empty()) return;
    const std::vector<Result<void>> answers = socket_->execute(batch_);
    for (std::size_t i = 0; i < pending_.size(); ++i) {
        const bool taken = !answers[i] && answers[i].error().kind == ErrorKind::already_exists;
        note(pending_[i], taken ? update(*pending_[i].row) : answers[i]);
    }
    batch_.clear();
    pending_.clear();
}

Result<void> PolicyWriter::update(const PolicyRow& row) {
    OVERLAB_TRY(const std::optional<PolicyRow> present, ask_policy(*socket_, row));
    if (present == row) return {};
    if (!present || present->reqid != own_reqid_) {
        return fail(ErrorKind::already_exists, "the host has a policy of its own for these");
    }
    NetlinkBatch batch;
    put_policy(batch, PolicyChange::update, row);
    return socket_->execute_one(batch);
}

Result<void> PolicyWriter::remove(const PolicyRow& row) {
    const auto present = ask_policy(*socket_, row);
    if (!present && present.error().kind == ErrorKind::not_found) return {};
    if (!present) return std::unexpected(present.error());
    if (!*present || (*present)->reqid != own_reqid_) return {};  // Somebody else's.
    NetlinkBatch batch;
    put_policy(batch, PolicyChange::remove, row);
    Result<void> done = socket_->execute_one(batch);
    if (!done && done.error().kind == ErrorKind::not_found) return {};
    return done;
}

}  // namespace overlab::real
