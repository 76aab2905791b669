#include "models/defect/stack_defects.h"

#include <utility>
#include <variant>

namespace overlab {
namespace {

using Action = RowChange::Action;

bool is_device(const Row& row) {
    return std::holds_alternative<LinkRow>(row) || std::holds_alternative<AddressRow>(row);
}

const FdbRow* fdb_of(const RowChange& change, Action action) {
    return change.action == action ? std::get_if<FdbRow>(&change.row) : nullptr;
}

}  // namespace

// ---- StaleRowsKept ----

Result<ForwardingState> StaleRowsKept::dump() {
    Result<ForwardingState> held = below().dump();
    if (!held) return held;
    if (!earlier_) {
        earlier_.emplace();
        for (const Row& row : held->rows()) {
            if (!is_device(row)) earlier_->insert(row);
        }
    }
    std::vector<Row> rows = std::move(*held).rows();
    std::erase_if(rows, [&](const Row& row) { return earlier_->contains(row); });
    return ForwardingState::of_sorted(std::move(rows));
}

std::vector<Result<void>> StaleRowsKept::apply(std::span<const RowChange> changes) {
    if (earlier_) {
        for (const RowChange& change : changes) earlier_->erase(change.row);
    }
    return below().apply(changes);
}

// ---- OldFdbKept ----

Result<ForwardingState> OldFdbKept::dump() {
    Result<ForwardingState> held = below().dump();
    if (held) {
        for (const Row& row : kept_.rows()) held->withdraw(row);
    }
    return held;
}

std::vector<Result<void>> OldFdbKept::apply(std::span<const RowChange> changes) {
    std::vector<Result<void>> outcomes;
    outcomes.reserve(changes.size());
    for (const RowChange& change : changes) {
        if (fdb_of(change, Action::withdraw) != nullptr) {
            kept_.install(change.row);
            outcomes.emplace_back();
            continue;
        }
        if (fdb_of(change, Action::install) != nullptr) kept_.withdraw(change.row);
        outcomes.push_back(std::move(below().apply({&change, 1}).front()));
    }
    return outcomes;
}

// ---- LostFdbRow ----

Result<ForwardingState> LostFdbRow::dump() {
    Result<ForwardingState> held = below().dump();
    if (held && claimed_) held->install(*lost_);
    return held;
}

std::vector<Result<void>> LostFdbRow::apply(std::span<const RowChange> changes) {
    std::vector<Result<void>> outcomes;
    outcomes.reserve(changes.size());
    for (const RowChange& change : changes) {
        const FdbRow* const in = fdb_of(change, Action::install);
        if (in != nullptr && !lost_) lost_ = *in;
        if (lost_ && same_key(change.row, *lost_)) {
            claimed_ = in != nullptr;
            if (in != nullptr) lost_ = *in;
            outcomes.emplace_back();
            continue;
        }
        outcomes.push_back(std::move(below().apply({&change, 1}).front()));
    }
    return outcomes;
}

// ---- FirstReachKept, FirstAddressKept ----

Result<bool> FirstReachKept::on_link(Ipv4Address address) {
    const auto known = known_.find(address);
    if (known != known_.end()) return known->second;
    const Result<bool> answer = below().on_link(address);
    if (answer) known_.emplace(address, *answer);
    return answer;
}

HostFacts FirstAddressKept::facts() const {
    HostFacts facts = below().facts();
    if (!memory_->first_address) memory_->first_address = facts.external_address;
    facts.external_address = *memory_->first_address;
    return facts;
}

}  // namespace overlab
