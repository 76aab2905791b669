// SimIkeDaemon: strongSwan on a simulated host, as flannel drives it (docs/ike-model.md has the
// model, its numbers, their sources and what is left out).
//
//   IKE_SA_INIT, IKE_AUTH   4 messages; Diffie-Hellman takes a worker's time at both ends
//   CREATE_CHILD_SA         rekeys child SAs (1 h less up to 6 min) and the IKE SA (4 h less up to
//                           24 min), make before break
//   INFORMATIONAL           dead peer detection, deletion
//
// Both ends of a connection are loaded as starters. So that one IKE SA results and not two, the end
// with the lower address begins and the other waits 4 s for it first; of two crossing beginnings
// the lower address's goes on.
//
// Invariants: a child's inbound SA is installed before its SPI is told to the peer, its outbound SA
// before the old one goes; from the first establishment on, an SA exists in each direction at all
// times unless the peer is lost or the connection unloaded. SPIs are unique per host.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/base/rng.h"
#include "models/forwarding/rows.h"
#include "models/ports/ike_daemon.h"
#include "models/ports/runtime.h"
#include "sim/esp_cipher.h"
#include "sim/host_socket.h"
#include "sim/ike_message.h"

namespace overlab::sim {

/// Where SAs go: the host's tables, and the keys to captures. Called inside the daemon's own
/// callbacks; must not call the daemon.
class SaSink {
   public:
    virtual void install(const SaRow& row, const EspKey& key) = 0;
    virtual void withdraw(const SaRow& row) = 0;

   protected:
    ~SaSink() = default;
};

struct IkeOptions {
    std::uint64_t seed = 1;
    Duration retransmit_first =
        seconds(4);                 ///< then 1.8 times longer each time (charon's defaults)
    unsigned retransmit_tries = 5;  ///< the last is waited for too: 165 s in all
    Duration child_rekey = hours(1), child_jitter = minutes(6);
    Duration ike_rekey = hours(4), ike_jitter = minutes(24);
    Duration dead_peer_delay = seconds(30);  ///< of silence on the IKE SA; 0: never ask
    Duration second_start = seconds(4);      ///< the end with the higher address waits this long
    Duration refused_retry = seconds(4);     ///< after any refusal but a wrong key
    Duration failed_retry = seconds(30);     ///< after AUTHENTICATION_FAILED
    Duration half_open_timeout = seconds(30);
    Duration linger = seconds(5);  ///< a rekeyed inbound SA stays for packets under way
    /// strongSwan's `unique = keep`: a peer that begins anew is refused while its old IKE SA is
    /// there. Default: the newer one wins.
    bool keep_first = false;
    bool mobike = true;  ///< IKE_AUTH and what follows move to port 4500
};

struct IkeCounters {
    std::uint64_t messages_sent = 0, messages_received = 0, retransmissions = 0;
    std::uint64_t established = 0, child_rekeys = 0, ike_rekeys = 0;
    std::uint64_t refused = 0, peers_lost = 0;
    std::int64_t crypto_ns = 0;  ///< CPU time of Diffie-Hellman
};

class IkeTunnel;
struct IkeSa;

class SimIkeDaemon final : public IkeDaemon {
   public:
    /// References must outlive it. Binds UDP 500 and 4500. Destruction is a crash: SAs stay in the
    /// sink, peers are not told.
    SimIkeDaemon(HostSockets& sockets, Runtime& runtime, SaSink& sink, IkeOptions options);
    ~SimIkeDaemon() override;
    SimIkeDaemon(const SimIkeDaemon&) = delete;
    SimIkeDaemon& operator=(const SimIkeDaemon&) = delete;

    /// Errors besides the port's: unsupported (an ESP proposal that simulated hosts do not speak).
    [[nodiscard]] Result<void> load(const IkeConnection& connection) override;
    [[nodiscard]] Result<void> unload(const std::string& name) override;
    [[nodiscard]] Result<std::vector<std::string>> loaded() override;

    /// Of the loaded connections, those with a child SA.
    [[nodiscard]] std::size_t established() const;
    [[nodiscard]] const IkeCounters& counters() const { return counters_; }

   private:
    friend class IkeTunnel;
    using Computed = std::function<void(IkeTunnel& tunnel, IkeSa& sa)>;

    void receive(const Frame& frame, Endpoint from, std::uint16_t port);
    void on_init_request(const IkeMessagePtr& message, Ipv4Address from, std::uint16_t port);
    void send(IkeMessagePtr message, Ipv4Address to, std::uint16_t port);
    /// Runs `then` when a worker has spent `cost`, if the IKE SA is still there.
    void compute(Duration cost, std::uint64_t own_spi, Computed then);
    [[nodiscard]] std::uint32_t take_spi(Rng& rng);
    [[nodiscard]] Rng stream(std::string_view purpose, Ipv4Address remote) const;
    [[nodiscard]] IkeTunnel* find(Ipv4Address remote, Ipv4Prefix local_subnet,
                                  Ipv4Prefix remote_subnet) const;

    HostSockets& sockets_;
    Runtime& runtime_;
    SaSink& sink_;
    IkeOptions options_;
    IkeCounters counters_;
    std::map<std::string, std::unique_ptr<IkeTunnel>> tunnels_;
    std::multimap<Ipv4Address, IkeTunnel*> by_remote_;
    FlatHash<std::uint64_t, IkeTunnel*> by_spi_;  ///< of our side of each IKE SA
    std::set<std::uint32_t> child_spis_;
    std::set<Ipv4Address> refused_;  ///< peers that began before their connection was loaded
    std::map<Ipv4Address, unsigned> loads_;  ///< how often a connection to this peer was new
    Instant born_;
    std::vector<std::int64_t> worker_free_ns_;
    std::shared_ptr<const char> alive_;  // says to computations that the daemon is gone
};

}  // namespace overlab::sim
