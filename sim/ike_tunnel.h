// IkeTunnel: one loaded IPsec connection: its IKE SAs, child SAs, retransmissions and timers. Only
// SimIkeDaemon uses it (sim/sim_ike_daemon.h has the model).
//
//   idle --start--> beginning (IKE_SA_INIT, IKE_AUTH) --> established --> peer lost --> start
//     ^                 |  refused, failed: later                  '--> closed
//     '-----------------'
// In transitions there is more than one IKE SA: a half-open one beside `current_`, or an old one
// that waits for the answer to its deletion.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/base/rng.h"
#include "sim/ike_message.h"
#include "sim/sim_ike_daemon.h"

namespace overlab::sim {

struct IkeSa {
    enum class State : std::uint8_t { half_open, established, replaced, failed };

    State state = State::half_open;
    bool initiator = false;
    bool busy = false;  ///< computing the answer to the request `expected_id`
    std::uint16_t port = udp_port::ike;
    std::uint64_t own_spi = 0, peer_spi = 0;
    IkeSeed seed;
    IkeDigest secret{};             ///< SK_d
    std::uint32_t next_id = 0;      ///< of our requests
    std::uint32_t expected_id = 0;  ///< of the peer's
    IkeMessagePtr request;          ///< sent, not answered; at most one (window size 1)
    IkeMessagePtr last_response;    ///< to request expected_id - 1: sent again if that comes again
    unsigned tries = 0;
    Duration interval;
    std::int64_t resend_ns = INT64_MAX;
};

class IkeTunnel {
   public:
    IkeTunnel(SimIkeDaemon& daemon, IkeConnection connection, const DhGroup* group);
    ~IkeTunnel();
    IkeTunnel(const IkeTunnel&) = delete;
    IkeTunnel& operator=(const IkeTunnel&) = delete;

    [[nodiscard]] const IkeConnection& connection() const { return connection_; }
    [[nodiscard]] bool established() const { return current_ != nullptr; }
    [[nodiscard]] IkeSa* find(std::uint64_t own_spi) const;

    /// Begins now, or gives the peer the time to.
    void start(bool at_once);
    /// Takes over a changed key or proposal; begins anew unless established.
    void replace(IkeConnection connection, const DhGroup* group);
    /// Tells the peer, without waiting for its answer, and withdraws the SAs.
    void close();
    void on_init_request(const IkeMessagePtr& message, std::uint16_t port);
    void on_message(IkeSa& sa, const IkeMessagePtr& message);

   private:
    static constexpr std::int64_t never = INT64_MAX;
    enum Deadline : std::uint8_t { begin_at, probe_at, rekey_child_at, rekey_ike_at, deadlines };
    enum class ChildState : std::uint8_t {
        current,
        offered,    ///< ours is the inbound half; outbound waits until the peer deletes the old one
        retiring,   ///< replaced by us: the peer is being told
        lingering,  ///< for packets under way
    };
    struct Child {
        ChildState state = ChildState::current;
        bool out_installed = false;
        SaRow in, out;
        EspKey out_key;
        std::int64_t remove_ns = never;
    };

    // Set-up (ike_tunnel.cc).
    void begin();
    [[nodiscard]] bool goes_first() const { return connection_.local < connection_.remote; }
    [[nodiscard]] std::uint64_t draw_ike_spi();
    [[nodiscard]] IkeSa& add_sa(bool initiator, std::uint64_t own_spi);
    void drop(const IkeSa& sa);
    void drop_half_open();
    void send_init(IkeSa& sa);
    void answer_init(IkeSa& sa);
    void on_init_response(IkeSa& sa, const IkeMessage& message);
    void send_auth(IkeSa& sa);
    void on_auth_request(IkeSa& sa, const IkeMessage& message);
    [[nodiscard]] IkeNotify judge_auth(const IkeSa& sa, const IkeMessage& message) const;
    void accept_auth(IkeSa& sa, const IkeMessage& message);
    void refuse_auth(IkeSa& sa, IkeNotify why);
    void on_auth_response(IkeSa& sa, const IkeMessage& asked, const IkeMessage& message);
    void adopt(std::unique_ptr<IkeSa> sa, const IkeMessage& auth_request);
    void make_current(IkeSa& sa);
    void retry_after(Duration delay);
    void lose_peer();

    // Messages and time (ike_tunnel.cc).
    [[nodiscard]] IkeMessage message_of(const IkeSa& sa, IkeExchange exchange) const;
    void request(IkeSa& sa, IkeMessage message);
    void respond(IkeSa& sa, IkeMessage message);
    void on_request(IkeSa& sa, const IkeMessagePtr& message);
    void on_response(IkeSa& sa, const IkeMessage& message);
    void resend(IkeSa& sa);
    void on_timer();
    void on_deadline(Deadline which);
    void arm();
    void set_deadline(Deadline which, Duration from_now);
    [[nodiscard]] std::int64_t now() const { return daemon_.runtime_.now().ns; }

    // Child SAs (ike_child.cc).
    [[nodiscard]] Child make_child(std::uint32_t in_spi, std::uint32_t out_spi) const;
    /// `initiator`: of the exchange that made the child. install_in only keeps the outbound key.
    void install_in(Child child, const ChildKeys& keys, bool initiator);
    void install_out(Child& child);
    void install_both(const Child& child, const ChildKeys& keys, bool initiator);
    void withdraw_out(Child& child);
    void withdraw_child(Child& child);
    void withdraw_all_but(std::uint32_t in_spi);
    void linger(Child& child);
    void remove_lingering();
    [[nodiscard]] Child* find_child(ChildState state);  ///< good until children_ changes

    // Rekeying, probing, deletion (ike_rekey.cc).
    void next_task();
    void begin_child_rekey();
    void begin_ike_rekey();
    void send_child_rekey(IkeSa& sa, std::uint32_t old_spi);
    void refuse(IkeSa& sa, IkeExchange exchange, IkeNotify why);
    void on_child_rekey_request(IkeSa& sa, const IkeMessagePtr& message);
    void answer_child_rekey(IkeSa& sa, const IkeMessage& message);
    void on_child_rekey_response(IkeSa& sa, const IkeMessagePtr& asked, const IkeMessage& message);
    void finish_child_rekey(const IkeSa& sa, const IkeMessage& asked, const IkeMessage& answer);
    void on_ike_rekey_request(IkeSa& sa, const IkeMessagePtr& message);
    void answer_ike_rekey(IkeSa& sa, const IkeMessage& message);
    void on_ike_rekey_response(IkeSa& sa, const IkeMessagePtr& asked, const IkeMessage& message);
    void succeed(IkeSa& old, bool initiator, const IkeSeed& seed);
    void finish_ike_rekey(IkeSa& sa, const IkeMessage& asked, const IkeMessage& answer);
    void on_delete_child(IkeSa& sa, const IkeMessage& message);
    void on_delete_ike(IkeSa& sa);
    void on_child_deleted(std::uint32_t in_spi);
    void schedule_child_rekey();
    void schedule_ike_rekey();
    [[nodiscard]] bool rekeying(IkeExchange exchange) const;
    [[nodiscard]] bool is_rekeyable(std::uint32_t in_spi);
    [[nodiscard]] Duration child_operation() const;
    [[nodiscard]] Duration collision_retry();
    [[nodiscard]] IkeNonce draw_nonce();

    SimIkeDaemon& daemon_;
    IkeConnection connection_;
    const DhGroup* group_;
    Rng rng_, spi_rng_;
    std::vector<std::unique_ptr<IkeSa>> sas_;
    IkeSa* current_ = nullptr;
    std::vector<Child> children_;
    bool want_child_rekey_ = false, want_ike_rekey_ = false, want_probe_ = false;
    std::optional<IkeExchange> preparing_;  ///< computing for a request of ours
    std::int64_t heard_ns_ = 0;
    std::array<std::int64_t, deadlines> deadlines_;
    Timer timer_;
    std::int64_t timer_ns_ = never;
};

}  // namespace overlab::sim
