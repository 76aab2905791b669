#include "models/node/reconciler.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

using Action = RowChange::Action;

/// True if a link that is there is replaced: the kernel may have to make it anew, and then rows on
/// it go.
bool replaces_link(std::span<const RowChange> changes, const ForwardingState& actual) {
    return std::ranges::any_of(changes, [&](const RowChange& change) {
        return change.action == Action::install && std::holds_alternative<LinkRow>(change.row) &&
               actual.find(change.row) != nullptr;
    });
}

}  // namespace

Reconciler::Reconciler(Runtime& runtime, HostStack& stack, NodeObserver& observer,
                       const NodeOptions& options, std::function<ForwardingState()> plan)
    : stack_(&stack),
      observer_(&observer),
      plan_(std::move(plan)),
      backoff_(options.retry_min, options.retry_max),
      retry_timer_(runtime) {}

void Reconciler::apply(std::span<const RowChange> changes) {
    if (changes.empty()) return;
    const std::vector<Result<void>> outcomes = stack_->apply(changes);
    CHECK(outcomes.size() == changes.size());
    note_outcomes(changes, outcomes);
}

void Reconciler::note_outcomes(std::span<const RowChange> changes,
                               std::span<const Result<void>> outcomes) {
    std::size_t installed = 0;
    std::size_t withdrawn = 0;
    std::size_t failed = 0;
    std::size_t news = 0;
    const Error* first = nullptr;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        if (outcomes[i]) {
            ++(changes[i].action == Action::install ? installed : withdrawn);
            if (!failed_.empty()) failed_.erase(changes[i].row);
            continue;
        }
        ++failed;
        // Erased first, because the value of the row may differ under an equal key.
        const bool known = failed_.erase(changes[i].row) > 0;
        failed_.emplace(changes[i].row, changes[i].action);
        if (known) continue;
        ++news;
        if (first == nullptr) first = &outcomes[i].error();
    }
    observer_->rows_applied(installed, withdrawn, failed);
    if (news == 1) observer_->remark(first->what);
    if (news > 1) {
        observer_->remark(fmt::format("{} rows failed, the first: {}", news, first->what));
    }
    if (settled()) backoff_.reset();
    arm_retry();
}

void Reconciler::ensure(std::vector<Row> rows) {
    const Result<ForwardingState> actual = stack_->dump();
    const ForwardingState wanted = ForwardingState::of(std::move(rows));
    std::vector<RowChange> changes;
    for (const Row& row : wanted.rows()) {
        // An unreadable host gets them all: installing what is present succeeds.
        const Row* present = actual ? actual->find(row) : nullptr;
        if (present == nullptr || *present != row) changes.push_back({Action::install, row});
    }
    apply(changes);
}

void Reconciler::reconcile() {
    if (reconcile_once()) return;
    // Once more, for the rows that went with a replaced link; what is still amiss waits for the
    // audit.
    (void)reconcile_once();
}

bool Reconciler::reconcile_once() {
    const Result<ForwardingState> actual = stack_->dump();
    reconcile_failed_ = !actual.has_value();
    if (!actual) {
        observer_->remark(fmt::format("host state cannot be read: {}", actual.error().what));
        arm_retry();
        return true;
    }
    const std::vector<RowChange> changes = diff(plan_(), *actual);
    forget_failures_but(changes);
    apply(changes);
    if (settled()) backoff_.reset();
    return !replaces_link(changes, *actual);
}

void Reconciler::forget_failures_but(std::span<const RowChange> changes) {
    // A comparison is the whole truth: what failed before and is not part of it is settled.
    if (failed_.empty()) return;
    decltype(failed_) still;
    for (const RowChange& change : changes) {
        if (failed_.contains(change.row)) still.emplace(change.row, change.action);
    }
    failed_ = std::move(still);
}

void Reconciler::arm_retry() {
    if (settled()) {
        retry_timer_.stop();
    } else if (!retry_timer_.armed()) {
        retry_timer_.start(backoff_.next(), [this] { retry(); });
    }
}

void Reconciler::retry() {
    if (reconcile_failed_) {
        reconcile();
        return;
    }
    // As diff() orders them: withdrawals from the highest key down, then installations upwards.
    std::vector<RowChange> changes;
    for (const auto& [row, action] : std::ranges::reverse_view(failed_)) {
        if (action == Action::withdraw) changes.push_back({action, row});
    }
    for (const auto& [row, action] : failed_) {
        if (action == Action::install) changes.push_back({action, row});
    }
    apply(changes);
}

void Reconciler::stop() { retry_timer_.stop(); }

}  // namespace overlab
