// An established IkeTunnel's exchanges: rekeying, probes, deletion.
//
//      X                                Y
//      | rekey (new SPI, old SPI)       |
//      |------------------------------->|  installs inbound
//      |              answer (new SPI)  |
//      |<-------------------------------|
//      | installs both, withdraws the   |
//      | old outbound                   |
//      | delete (old SPI)               |
//      |------------------------------->|  installs outbound, withdraws the old one
//      |                        answer  |
//      |<-------------------------------|  both: the old inbound lingers 5 s
#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "sim/ike_tunnel.h"

namespace overlab::sim {
namespace {

Duration jittered(Duration base, Duration jitter, Rng& rng) {
    if (jitter <= Duration{}) return base;
    return base -
           nanoseconds(static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(jitter.ns))));
}

}  // namespace

/// After TEMPORARY_FAILURE (RFC 7296 §2.25): the peer is about to do the same.
Duration IkeTunnel::collision_retry() { return jittered(seconds(60), seconds(20), rng_); }

void IkeTunnel::schedule_child_rekey() {
    const IkeOptions& options = daemon_.options_;
    set_deadline(rekey_child_at, jittered(options.child_rekey, options.child_jitter, rng_));
}

void IkeTunnel::schedule_ike_rekey() {
    const IkeOptions& options = daemon_.options_;
    set_deadline(rekey_ike_at, jittered(options.ike_rekey, options.ike_jitter, rng_));
}

/// One request at a time (window size 1); what is older goes first.
void IkeTunnel::next_task() {
    if (!established() || current_->request != nullptr) return;
    // While a change of the peer's or of ours is being computed, the next one waits.
    if (current_->busy || preparing_.has_value()) return;
    if (const Child* const old = find_child(ChildState::retiring)) {
        IkeMessage message = message_of(*current_, IkeExchange::delete_child);
        message.old_spi = old->in.spi;
        request(*current_, std::move(message));
    } else if (std::exchange(want_ike_rekey_, false)) {
        begin_ike_rekey();
    } else if (std::exchange(want_child_rekey_, false)) {
        begin_child_rekey();
    } else if (std::exchange(want_probe_, false)) {
        request(*current_, message_of(*current_, IkeExchange::alive));
    }
}

/// A request of ours of this kind is under way, or one is being computed for.
bool IkeTunnel::rekeying(IkeExchange exchange) const {
    if (preparing_ == exchange) return true;
    return established() && current_->request != nullptr && current_->request->exchange == exchange;
}

Duration IkeTunnel::child_operation() const {
    return group_ == nullptr ? Duration{} : group_->operation;
}

// --- child SAs -----------------------------------------------------------------------------------

void IkeTunnel::begin_child_rekey() {
    const Child* const child = find_child(ChildState::current);
    if (child == nullptr || !is_rekeyable(child->in.spi)) {
        set_deadline(rekey_child_at, collision_retry());
        return;
    }
    preparing_ = IkeExchange::rekey_child;
    const auto send = [old_spi = child->in.spi](IkeTunnel& tunnel, IkeSa& sa) {
        tunnel.preparing_.reset();
        // Unless the peer has come first meanwhile.
        const bool free = &sa == tunnel.current_ && !sa.busy;
        if (free && tunnel.is_rekeyable(old_spi)) tunnel.send_child_rekey(sa, old_spi);
        tunnel.next_task();
    };
    daemon_.compute(child_operation(), current_->own_spi, send);
}

/// Neither end has begun to replace it.
bool IkeTunnel::is_rekeyable(std::uint32_t in_spi) {
    const Child* const child = find_child(ChildState::current);
    return child != nullptr && child->in.spi == in_spi &&
           find_child(ChildState::offered) == nullptr;
}

void IkeTunnel::send_child_rekey(IkeSa& sa, std::uint32_t old_spi) {
    IkeMessage message = message_of(sa, IkeExchange::rekey_child);
    message.old_spi = old_spi;
    message.child_spi = daemon_.take_spi(spi_rng_);
    message.nonce = draw_nonce();
    message.esp_proposal = connection_.esp_proposal;
    message.group = group_;
    request(sa, std::move(message));
}

void IkeTunnel::refuse(IkeSa& sa, IkeExchange exchange, IkeNotify why) {
    ++daemon_.counters_.refused;
    IkeMessage message = message_of(sa, exchange);
    message.error = why;
    respond(sa, std::move(message));
}

void IkeTunnel::on_child_rekey_request(IkeSa& sa, const IkeMessagePtr& message) {
    const Child* const child = find_child(ChildState::current);
    if (child == nullptr || child->out.spi != message->old_spi) {
        refuse(sa, IkeExchange::rekey_child, IkeNotify::child_sa_not_found);
        return;
    }
    // Both ends at once: the lower address's request goes on. While the IKE SA changes, none does.
    const bool collides = rekeying(IkeExchange::rekey_child) && goes_first();
    if (collides || rekeying(IkeExchange::rekey_ike) || &sa != current_) {
        refuse(sa, IkeExchange::rekey_child, IkeNotify::temporary_failure);
        return;
    }
    sa.busy = true;
    daemon_.compute(child_operation() * 2, sa.own_spi, [message](IkeTunnel& tunnel, IkeSa& ready) {
        tunnel.answer_child_rekey(ready, *message);
    });
}

void IkeTunnel::answer_child_rekey(IkeSa& sa, const IkeMessage& message) {
    Child child = make_child(daemon_.take_spi(spi_rng_), message.child_spi);
    child.state = ChildState::offered;
    IkeMessage answer = message_of(sa, IkeExchange::rekey_child);
    answer.child_spi = child.in.spi;
    answer.nonce = draw_nonce();
    answer.esp_proposal = connection_.esp_proposal;
    answer.group = message.group;
    install_in(child, derive_child(sa.secret, message.nonce, answer.nonce), false);
    want_child_rekey_ = false;
    schedule_child_rekey();
    respond(sa, std::move(answer));
    next_task();
}

void IkeTunnel::on_child_rekey_response(IkeSa& sa, const IkeMessagePtr& asked,
                                        const IkeMessage& message) {
    if (message.error != IkeNotify::none) {
        ++daemon_.counters_.refused;
        daemon_.child_spis_.erase(asked->child_spi);
        if (message.error == IkeNotify::temporary_failure) {
            // As a rule the peer's own rekeying sets a later time.
            if (deadlines_[rekey_child_at] == never)
                set_deadline(rekey_child_at, collision_retry());
        } else if (is_rekeyable(asked->old_spi)) {
            lose_peer();  // the ends disagree about what there is
        }
        return;
    }
    preparing_ = IkeExchange::rekey_child;
    const auto finish = [asked, answer = message](IkeTunnel& tunnel, IkeSa& ready) {
        tunnel.finish_child_rekey(ready, *asked, answer);
    };
    daemon_.compute(child_operation(), sa.own_spi, finish);
}

void IkeTunnel::finish_child_rekey(const IkeSa& sa, const IkeMessage& asked,
                                   const IkeMessage& answer) {
    preparing_.reset();
    ++daemon_.counters_.child_rekeys;
    const auto old = std::find_if(children_.begin(), children_.end(), [&](const Child& child) {
        return child.in.spi == asked.old_spi;
    });
    CHECK(old != children_.end() && old->state == ChildState::current);
    const auto index = old - children_.begin();
    install_both(make_child(asked.child_spi, answer.child_spi),
                 derive_child(sa.secret, asked.nonce, answer.nonce), true);
    Child& retired = children_[static_cast<std::size_t>(index)];
    retired.state = ChildState::retiring;
    withdraw_out(retired);
    schedule_child_rekey();
    next_task();
}

void IkeTunnel::on_delete_child(IkeSa& sa, const IkeMessage& message) {
    const auto old = std::find_if(children_.begin(), children_.end(), [&](const Child& child) {
        return child.out.spi == message.old_spi && child.state == ChildState::current;
    });
    Child* const offered = find_child(ChildState::offered);
    if (old != children_.end() && offered != nullptr) {
        install_out(*offered);
        offered->state = ChildState::current;
        linger(*old);
    }
    respond(sa, message_of(sa, IkeExchange::delete_child));
}

void IkeTunnel::on_child_deleted(std::uint32_t in_spi) {
    for (Child& child : children_) {
        if (child.in.spi == in_spi && child.state == ChildState::retiring) linger(child);
    }
}

// --- the IKE SA ----------------------------------------------------------------------------------

void IkeTunnel::begin_ike_rekey() {
    preparing_ = IkeExchange::rekey_ike;
    daemon_.compute(ike_group().operation, current_->own_spi, [](IkeTunnel& tunnel, IkeSa& sa) {
        tunnel.preparing_.reset();
        if (&sa == tunnel.current_ && !sa.busy) {
            IkeMessage message = tunnel.message_of(sa, IkeExchange::rekey_ike);
            message.new_ike_spi = tunnel.draw_ike_spi();
            message.nonce = tunnel.draw_nonce();
            tunnel.request(sa, std::move(message));
        }
        tunnel.next_task();
    });
}

void IkeTunnel::on_ike_rekey_request(IkeSa& sa, const IkeMessagePtr& message) {
    const bool collides = rekeying(IkeExchange::rekey_ike) && goes_first();
    if (collides || rekeying(IkeExchange::rekey_child) || &sa != current_) {
        refuse(sa, IkeExchange::rekey_ike, IkeNotify::temporary_failure);
        return;
    }
    sa.busy = true;
    daemon_.compute(
        ike_group().operation * 2, sa.own_spi,
        [message](IkeTunnel& tunnel, IkeSa& ready) { tunnel.answer_ike_rekey(ready, *message); });
}

/// The IKE SA that takes over the children of `old`.
void IkeTunnel::succeed(IkeSa& old, bool initiator, const IkeSeed& seed) {
    IkeSa& fresh = add_sa(initiator, initiator ? seed.initiator_spi : seed.responder_spi);
    fresh.seed = seed;
    fresh.peer_spi = initiator ? seed.responder_spi : seed.initiator_spi;
    fresh.secret = rekey_secret(old.secret, seed);
    fresh.port = old.port;
    fresh.state = IkeSa::State::established;
    old.state = IkeSa::State::replaced;
    current_ = &fresh;
    want_ike_rekey_ = false;
    schedule_ike_rekey();
}

void IkeTunnel::answer_ike_rekey(IkeSa& sa, const IkeMessage& message) {
    IkeMessage answer = message_of(sa, IkeExchange::rekey_ike);
    answer.nonce = draw_nonce();
    answer.new_ike_spi = draw_ike_spi();
    succeed(sa, false, {message.new_ike_spi, answer.new_ike_spi, message.nonce, answer.nonce});
    respond(sa, std::move(answer));
    next_task();
}

void IkeTunnel::on_ike_rekey_response(IkeSa& sa, const IkeMessagePtr& asked,
                                      const IkeMessage& message) {
    if (message.error != IkeNotify::none) {
        ++daemon_.counters_.refused;
        if (deadlines_[rekey_ike_at] == never) set_deadline(rekey_ike_at, collision_retry());
        return;
    }
    preparing_ = IkeExchange::rekey_ike;
    const auto finish = [asked, answer = message](IkeTunnel& tunnel, IkeSa& ready) {
        tunnel.finish_ike_rekey(ready, *asked, answer);
    };
    daemon_.compute(ike_group().operation, sa.own_spi, finish);
}

void IkeTunnel::finish_ike_rekey(IkeSa& sa, const IkeMessage& asked, const IkeMessage& answer) {
    preparing_.reset();
    ++daemon_.counters_.ike_rekeys;
    succeed(sa, true, {asked.new_ike_spi, answer.new_ike_spi, asked.nonce, answer.nonce});
    request(sa, message_of(sa, IkeExchange::delete_ike));
    next_task();
}

void IkeTunnel::on_delete_ike(IkeSa& sa) {
    respond(sa, message_of(sa, IkeExchange::delete_ike));
    if (&sa != current_) {
        drop(sa);
        return;
    }
    withdraw_all_but(0);
    while (!sas_.empty()) drop(*sas_.back());
    deadlines_.fill(never);
    retry_after(daemon_.options_.failed_retry);  // unless it is unloaded here too, as a rule
}

}  // namespace overlab::sim
