// Set-up of a connection, its messages and its timers; ike_child.cc and ike_rekey.cc have the rest.
#include "sim/ike_tunnel.h"

#include <algorithm>
#include <utility>

#include "models/base/check.h"

namespace overlab::sim {

IkeTunnel::IkeTunnel(SimIkeDaemon& daemon, IkeConnection connection, const DhGroup* group)
    : daemon_(daemon),
      connection_(std::move(connection)),
      group_(group),
      rng_(daemon.stream("ike", connection_.remote)),
      spi_rng_(daemon.stream("spi", connection_.remote)),
      timer_(daemon.runtime_) {
    deadlines_.fill(never);
}

IkeTunnel::~IkeTunnel() {
    for (const auto& sa : sas_) daemon_.by_spi_.erase(sa->own_spi);
}

IkeSa* IkeTunnel::find(std::uint64_t own_spi) const {
    const auto at = std::find_if(sas_.begin(), sas_.end(),
                                 [&](const auto& sa) { return sa->own_spi == own_spi; });
    return at == sas_.end() ? nullptr : at->get();
}

std::uint64_t IkeTunnel::draw_ike_spi() {
    for (;;) {
        const std::uint64_t spi = rng_.next();
        if (spi != 0 && daemon_.by_spi_.find(spi) == nullptr) return spi;
    }
}

IkeSa& IkeTunnel::add_sa(bool initiator, std::uint64_t own_spi) {
    CHECK(daemon_.by_spi_.put(own_spi, this));
    auto sa = std::make_unique<IkeSa>();
    sa->initiator = initiator;
    sa->own_spi = own_spi;
    (initiator ? sa->seed.initiator_spi : sa->seed.responder_spi) = own_spi;
    sas_.push_back(std::move(sa));
    return *sas_.back();
}

/// `sa` is gone afterwards.
void IkeTunnel::drop(const IkeSa& sa) {
    if (sa.request != nullptr) daemon_.child_spis_.erase(sa.request->child_spi);
    if (current_ == &sa) current_ = nullptr;
    daemon_.by_spi_.erase(sa.own_spi);
    std::erase_if(sas_, [&](const auto& candidate) { return candidate.get() == &sa; });
}

void IkeTunnel::drop_half_open() {
    for (std::size_t i = sas_.size(); i-- > 0;) {
        const IkeSa::State state = sas_[i]->state;
        if (state == IkeSa::State::half_open || state == IkeSa::State::failed) drop(*sas_[i]);
    }
}

// --- beginning -----------------------------------------------------------------------------------

void IkeTunnel::start(bool at_once) {
    if (at_once) {
        begin();
    } else {
        set_deadline(begin_at, daemon_.options_.second_start);
    }
}

void IkeTunnel::replace(IkeConnection connection, const DhGroup* group) {
    if (connection == connection_) return;
    connection_ = std::move(connection);
    group_ = group;
    if (!established()) begin();
}

void IkeTunnel::begin() {
    drop_half_open();
    deadlines_[begin_at] = never;
    const IkeSa& sa = add_sa(true, draw_ike_spi());
    daemon_.compute(ike_group().operation, sa.own_spi,
                    [](IkeTunnel& tunnel, IkeSa& ready) { tunnel.send_init(ready); });
}

void IkeTunnel::retry_after(Duration delay) {
    if (!established()) set_deadline(begin_at, delay);
}

IkeNonce IkeTunnel::draw_nonce() {
    IkeNonce nonce{};
    for (std::size_t i = 0; i < nonce.size(); i += 8) {
        std::uint64_t word = rng_.next();
        for (std::size_t k = 0; k < 8; ++k, word >>= 8) {
            nonce[i + k] = static_cast<std::uint8_t>(word);
        }
    }
    return nonce;
}

void IkeTunnel::send_init(IkeSa& sa) {
    sa.seed.initiator_nonce = draw_nonce();
    IkeMessage message = message_of(sa, IkeExchange::init);
    message.nonce = sa.seed.initiator_nonce;
    request(sa, std::move(message));
}

void IkeTunnel::on_init_request(const IkeMessagePtr& message, std::uint16_t port) {
    for (const auto& sa : sas_) {
        if (sa->initiator || sa->peer_spi != message->initiator_spi) continue;
        if (sa->last_response != nullptr && sa->expected_id == 1) {
            daemon_.send(sa->last_response, connection_.remote, sa->port);
        }
        return;  // it comes again
    }
    const bool beginning = std::any_of(sas_.begin(), sas_.end(), [](const auto& sa) {
        return sa->initiator && sa->state == IkeSa::State::half_open;
    });
    if (beginning && goes_first()) return;  // ours goes on; the peer yields when it hears of it
    drop_half_open();
    IkeSa& sa = add_sa(false, draw_ike_spi());
    sa.port = port;
    sa.peer_spi = sa.seed.initiator_spi = message->initiator_spi;
    sa.seed.initiator_nonce = message->nonce;
    retry_after(daemon_.options_.half_open_timeout);
    // The key pair and, as charon 5.9 does before it answers, the secret.
    daemon_.compute(ike_group().operation * 2, sa.own_spi,
                    [](IkeTunnel& tunnel, IkeSa& ready) { tunnel.answer_init(ready); });
}

void IkeTunnel::answer_init(IkeSa& sa) {
    sa.seed.responder_nonce = draw_nonce();
    IkeMessage message = message_of(sa, IkeExchange::init);
    message.nonce = sa.seed.responder_nonce;
    respond(sa, std::move(message));
}

void IkeTunnel::on_init_response(IkeSa& sa, const IkeMessage& message) {
    if (message.error != IkeNotify::none) {
        ++daemon_.counters_.refused;
        drop(sa);
        retry_after(daemon_.options_.refused_retry);
        return;
    }
    sa.peer_spi = sa.seed.responder_spi = message.responder_spi;
    sa.seed.responder_nonce = message.nonce;
    if (connection_.udp_encap || daemon_.options_.mobike) sa.port = udp_port::ike_nat;
    daemon_.compute(ike_group().operation, sa.own_spi,
                    [](IkeTunnel& tunnel, IkeSa& ready) { tunnel.send_auth(ready); });
}

void IkeTunnel::send_auth(IkeSa& sa) {
    IkeMessage message = message_of(sa, IkeExchange::auth);
    message.auth = auth_data(connection_.psk, sa.seed, connection_.local);
    message.initial_contact = !established();
    message.child_spi = daemon_.take_spi(spi_rng_);
    message.sender_subnet = connection_.local_subnet;
    message.receiver_subnet = connection_.remote_subnet;
    message.esp_proposal = connection_.esp_proposal;
    request(sa, std::move(message));
}

/// The peer's first request was for its address; this one says for which subnets.
void IkeTunnel::on_auth_request(IkeSa& sa, const IkeMessage& message) {
    IkeTunnel* const target =
        daemon_.find(connection_.remote, message.receiver_subnet, message.sender_subnet);
    if (target == nullptr) {
        refuse_auth(sa, IkeNotify::ts_unacceptable);
    } else if (target != this) {
        const auto at = std::find_if(sas_.begin(), sas_.end(),
                                     [&](const auto& candidate) { return candidate.get() == &sa; });
        std::unique_ptr<IkeSa> moved = std::move(*at);
        sas_.erase(at);
        retry_after(daemon_.options_.second_start);
        arm();
        target->adopt(std::move(moved), message);
    } else if (const IkeNotify why = judge_auth(sa, message); why != IkeNotify::none) {
        refuse_auth(sa, why);
    } else {
        accept_auth(sa, message);
    }
}

void IkeTunnel::adopt(std::unique_ptr<IkeSa> sa, const IkeMessage& auth_request) {
    daemon_.by_spi_.put(sa->own_spi, this);
    sas_.push_back(std::move(sa));
    on_auth_request(*sas_.back(), auth_request);
    arm();
}

IkeNotify IkeTunnel::judge_auth(const IkeSa& sa, const IkeMessage& message) const {
    if (message.auth != auth_data(connection_.psk, sa.seed, connection_.remote)) {
        return IkeNotify::authentication_failed;
    }
    if (message.esp_proposal != connection_.esp_proposal) return IkeNotify::no_proposal_chosen;
    // As strongSwan refuses a duplicate that it is told to keep out.
    if (daemon_.options_.keep_first && established()) return IkeNotify::authentication_failed;
    return IkeNotify::none;
}

void IkeTunnel::refuse_auth(IkeSa& sa, IkeNotify why) {
    ++daemon_.counters_.refused;
    sa.state = IkeSa::State::failed;  // kept to answer again if the request comes again
    IkeMessage message = message_of(sa, IkeExchange::auth);
    message.error = why;
    respond(sa, std::move(message));
    const bool wrong_key = why == IkeNotify::authentication_failed;
    retry_after(wrong_key ? daemon_.options_.failed_retry : daemon_.options_.half_open_timeout);
}

void IkeTunnel::accept_auth(IkeSa& sa, const IkeMessage& message) {
    sa.secret = derive_secret(connection_.psk, sa.seed);
    const std::uint32_t in_spi = daemon_.take_spi(spi_rng_);
    const ChildKeys keys =
        derive_child(sa.secret, sa.seed.initiator_nonce, sa.seed.responder_nonce);
    install_both(make_child(in_spi, message.child_spi), keys, false);
    withdraw_all_but(in_spi);  // INITIAL_CONTACT, or simply newer: one tunnel has one IKE SA
    make_current(sa);
    IkeMessage answer = message_of(sa, IkeExchange::auth);
    answer.auth = auth_data(connection_.psk, sa.seed, connection_.local);
    answer.child_spi = in_spi;
    answer.sender_subnet = connection_.local_subnet;
    answer.receiver_subnet = connection_.remote_subnet;
    answer.esp_proposal = connection_.esp_proposal;
    respond(sa, std::move(answer));
}

void IkeTunnel::on_auth_response(IkeSa& sa, const IkeMessage& asked, const IkeMessage& message) {
    const std::uint32_t in_spi = asked.child_spi;
    const bool genuine = message.auth == auth_data(connection_.psk, sa.seed, connection_.remote);
    if (message.error != IkeNotify::none || !genuine) {
        ++daemon_.counters_.refused;
        daemon_.child_spis_.erase(in_spi);
        drop(sa);
        const bool wrong_key =
            message.error == IkeNotify::none || message.error == IkeNotify::authentication_failed;
        retry_after(wrong_key ? daemon_.options_.failed_retry : daemon_.options_.refused_retry);
        return;
    }
    sa.secret = derive_secret(connection_.psk, sa.seed);
    const ChildKeys keys =
        derive_child(sa.secret, sa.seed.initiator_nonce, sa.seed.responder_nonce);
    install_both(make_child(in_spi, message.child_spi), keys, true);
    withdraw_all_but(in_spi);
    make_current(sa);
}

void IkeTunnel::make_current(IkeSa& sa) {
    for (std::size_t i = sas_.size(); i-- > 0;) {
        if (sas_[i].get() != &sa) drop(*sas_[i]);
    }
    ++daemon_.counters_.established;
    current_ = &sa;
    sa.state = IkeSa::State::established;
    want_child_rekey_ = want_ike_rekey_ = want_probe_ = false;
    preparing_.reset();
    heard_ns_ = now();
    deadlines_[begin_at] = never;
    schedule_child_rekey();
    schedule_ike_rekey();
    if (daemon_.options_.dead_peer_delay > Duration{}) {
        set_deadline(probe_at, daemon_.options_.dead_peer_delay);
    }
}

void IkeTunnel::lose_peer() {
    ++daemon_.counters_.peers_lost;
    withdraw_all_but(0);
    while (!sas_.empty()) drop(*sas_.back());
    deadlines_.fill(never);
    start(goes_first());
}

void IkeTunnel::close() {
    if (current_ != nullptr) {
        IkeMessage message = message_of(*current_, IkeExchange::delete_ike);
        message.id = current_->next_id;
        daemon_.send(std::make_shared<const IkeMessage>(std::move(message)), connection_.remote,
                     current_->port);
    }
    withdraw_all_but(0);
    while (!sas_.empty()) drop(*sas_.back());
    deadlines_.fill(never);
    timer_.stop();
}

// --- messages ------------------------------------------------------------------------------------

IkeMessage IkeTunnel::message_of(const IkeSa& sa, IkeExchange exchange) const {
    IkeMessage message;
    message.exchange = exchange;
    message.from_initiator = sa.initiator;
    message.initiator_spi = sa.initiator ? sa.own_spi : sa.peer_spi;
    message.responder_spi = sa.initiator ? sa.peer_spi : sa.own_spi;
    return message;
}

void IkeTunnel::request(IkeSa& sa, IkeMessage message) {
    CHECK(sa.request == nullptr);
    message.id = sa.next_id++;
    sa.request = std::make_shared<const IkeMessage>(std::move(message));
    sa.tries = 0;
    sa.interval = daemon_.options_.retransmit_first;
    sa.resend_ns = now() + sa.interval.ns;
    daemon_.send(sa.request, connection_.remote, sa.port);
    arm();
}

void IkeTunnel::respond(IkeSa& sa, IkeMessage message) {
    message.response = true;
    message.id = sa.expected_id++;
    sa.busy = false;
    sa.last_response = std::make_shared<const IkeMessage>(std::move(message));
    daemon_.send(sa.last_response, connection_.remote, sa.port);
    arm();
}

void IkeTunnel::on_message(IkeSa& sa, const IkeMessagePtr& message) {
    heard_ns_ = now();
    if (message->response) {
        // Answers to what was asked before are copies that came late.
        if (sa.request == nullptr || sa.request->id != message->id) return;
        on_response(sa, *message);
    } else {
        on_request(sa, message);
    }
    next_task();
    arm();
}

void IkeTunnel::on_request(IkeSa& sa, const IkeMessagePtr& message) {
    if (message->id + 1 == sa.expected_id && sa.last_response != nullptr) {
        daemon_.send(sa.last_response, connection_.remote, sa.port);
        return;
    }
    if (message->id != sa.expected_id || sa.busy) return;
    const bool half_open = sa.state == IkeSa::State::half_open;
    if (half_open != (message->exchange == IkeExchange::auth)) return;
    if (sa.state == IkeSa::State::failed) return;
    switch (message->exchange) {
        case IkeExchange::init:
            return;
        case IkeExchange::auth:
            return on_auth_request(sa, *message);
        case IkeExchange::rekey_child:
            return on_child_rekey_request(sa, message);
        case IkeExchange::rekey_ike:
            return on_ike_rekey_request(sa, message);
        case IkeExchange::alive:
            return respond(sa, message_of(sa, IkeExchange::alive));
        case IkeExchange::delete_child:
            return on_delete_child(sa, *message);
        case IkeExchange::delete_ike:
            return on_delete_ike(sa);
    }
}

void IkeTunnel::on_response(IkeSa& sa, const IkeMessage& message) {
    const IkeMessagePtr asked = std::exchange(sa.request, nullptr);
    sa.resend_ns = never;
    switch (asked->exchange) {
        case IkeExchange::init:
            return on_init_response(sa, message);
        case IkeExchange::auth:
            return on_auth_response(sa, *asked, message);
        case IkeExchange::rekey_child:
            return on_child_rekey_response(sa, asked, message);
        case IkeExchange::rekey_ike:
            return on_ike_rekey_response(sa, asked, message);
        case IkeExchange::alive:
            return;
        case IkeExchange::delete_child:
            return on_child_deleted(asked->old_spi);
        case IkeExchange::delete_ike:
            return drop(sa);
    }
}

// --- time ----------------------------------------------------------------------------------------

/// As charon: 4, 7.2, 13.0, 23.3, 42.0 s apart, and 75.6 s for the last to be answered.
void IkeTunnel::resend(IkeSa& sa) {
    if (sa.tries < daemon_.options_.retransmit_tries) {
        ++sa.tries;
        sa.interval = sa.interval * 9 / 5;
        sa.resend_ns = now() + sa.interval.ns;
        ++daemon_.counters_.retransmissions;
        daemon_.send(sa.request, connection_.remote, sa.port);
    } else if (&sa == current_) {
        lose_peer();
    } else if (sa.state == IkeSa::State::replaced || established()) {
        drop(sa);
    } else {
        begin();  // keyingtries = 0: for ever
    }
}

void IkeTunnel::set_deadline(Deadline which, Duration from_now) {
    deadlines_[which] = now() + from_now.ns;
    arm();
}

void IkeTunnel::arm() {
    std::int64_t wanted = *std::min_element(deadlines_.begin(), deadlines_.end());
    for (const auto& sa : sas_) wanted = std::min(wanted, sa->resend_ns);
    for (const Child& child : children_) wanted = std::min(wanted, child.remove_ns);
    if (wanted == never || (timer_.armed() && timer_ns_ <= wanted)) return;
    timer_ns_ = wanted;
    timer_.start(nanoseconds(std::max<std::int64_t>(0, wanted - now())), [this] { on_timer(); });
}

void IkeTunnel::on_timer() {
    const std::int64_t time = now();
    for (std::size_t i = sas_.size(); i-- > 0;) {
        if (i < sas_.size() && sas_[i]->resend_ns <= time) resend(*sas_[i]);
    }
    remove_lingering();
    for (const Deadline which : {begin_at, rekey_ike_at, rekey_child_at, probe_at}) {
        if (deadlines_[which] > time) continue;
        deadlines_[which] = never;
        on_deadline(which);
    }
    next_task();
    arm();
}

void IkeTunnel::on_deadline(Deadline which) {
    if (which == begin_at) {
        if (!established()) begin();
        return;
    }
    if (!established()) return;
    if (which == rekey_ike_at) want_ike_rekey_ = true;
    if (which == rekey_child_at) want_child_rekey_ = true;
    if (which != probe_at) return;
    // The end that began asks first, so that one question and its answer serve both.
    const Duration second = current_->initiator ? Duration{} : seconds(5);
    const Duration quiet = daemon_.options_.dead_peer_delay + second;
    const Duration silent = nanoseconds(now() - heard_ns_);
    if (silent >= quiet) want_probe_ = true;
    set_deadline(probe_at, silent >= quiet ? quiet : quiet - silent);
}

}  // namespace overlab::sim
