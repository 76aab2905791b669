#include "models/node/lease_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

constexpr Duration longest_renewal_pause = seconds(60);  // flannel's pause
constexpr Duration shortest_renewal_pause = seconds(1);  // no storm while the last seconds run out

}  // namespace

LeaseKeeper::LeaseKeeper(Runtime& runtime, LeaseStore& store, NodeObserver& observer,
                         const NodeOptions& options, Events events)
    : runtime_(&runtime),
      store_(&store),
      observer_(&observer),
      margin_(options.renew_margin),
      events_(std::move(events)),
      backoff_(options.retry_min, options.retry_max),
      timer_(runtime) {}

void LeaseKeeper::acquire(NetworkConfig network, LeaseAttributes attributes,
                          std::optional<LeaseSubnet> previous) {
    CHECK(!held_);
    network_ = std::move(network);
    attributes_ = std::move(attributes);
    previous_ = previous;
    backoff_.reset();
    ask();
}

void LeaseKeeper::ask() {
    store_->acquire(network_, attributes_, previous_,
                    guard_.wrap([this](Result<HeldLease> answer) { answered(std::move(answer)); }));
}

void LeaseKeeper::answered(Result<HeldLease> answer) {
    if (!answer) {
        const Duration pause = backoff_.next();
        observer_->remark(fmt::format("no lease yet: {}", answer.error().what));
        timer_.start(pause, [this] { ask(); });
        return;
    }
    CHECK(answer->lease != nullptr);
    held_ = std::move(*answer);
    time_to_live_ = held_->expires - runtime_->now();
    plan_renewal();
    events_.acquired(*held_);
}

void LeaseKeeper::plan_renewal() {
    if (held_->reservation) return;
    const Duration margin = std::min(margin_, time_to_live_ / 2);
    timer_.start(held_->expires - margin - runtime_->now(), [this] { renew(); });
}

void LeaseKeeper::doubt() {
    if (!held_) return;
    if (renewing_) {
        // The answer under way may be older than what raised the doubt.
        doubted_while_renewing_ = true;
        return;
    }
    renew();
}

void LeaseKeeper::renew() {
    timer_.stop();
    renewing_ = true;
    store_->renew(*held_,
                  guard_.wrap([this](Result<HeldLease> answer) { renewed(std::move(answer)); }));
}

void LeaseKeeper::renewed(Result<HeldLease> answer) {
    renewing_ = false;
    if (answer) {
        CHECK(answer->lease->subnet == held_->lease->subnet);
        held_ = std::move(*answer);
        time_to_live_ = held_->expires - runtime_->now();
        plan_renewal();
        if (std::exchange(doubted_while_renewing_, false)) renew();
    } else if (answer.error().kind == ErrorKind::unavailable) {
        renewal_unanswered(answer.error());
    } else {
        lose(answer.error());
    }
}

void LeaseKeeper::renewal_unanswered(const Error& error) {
    doubted_while_renewing_ = false;
    const Duration left = held_->expires - runtime_->now();
    if (!held_->reservation && left <= Duration{}) {
        lose(error);
        return;
    }
    observer_->remark(
        fmt::format("lease {}: not renewed: {}", held_->lease->subnet.to_string(), error.what));
    const Duration wish = held_->reservation ? longest_renewal_pause : left / 10;
    timer_.start(std::clamp(wish, shortest_renewal_pause, longest_renewal_pause),
                 [this] { renew(); });
}

void LeaseKeeper::lose(const Error& error) {
    observer_->remark(
        fmt::format("lease {}: lost: {}", held_->lease->subnet.to_string(), error.what));
    held_.reset();
    doubted_while_renewing_ = false;
    timer_.stop();
    events_.lost();
}

void LeaseKeeper::stop() {
    guard_.revoke();
    timer_.stop();
}

}  // namespace overlab
