// IkeMesh: the IKE daemons of all hosts of the control world, as one thing. Two ends that have
// loaded the same connection (addresses, subnets, key, proposal), run and reach each other get a
// pair of SAs a moment later; SPIs are counted, so none is ever used twice.
//
// What an end learns of the other it learns as charon does: a connection that is unloaded is told
// to the peer if that can be reached; a peer that lost its state, or cannot be reached, is noticed
// by dead peer detection. SAs of a daemon that died stay in the kernel until they expire.
//
// Left out: messages, and rekeying (an SA does not age while both its daemons live).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/control/control_host.h"
#include "models/control/control_underlay.h"
#include "models/ports/ike_daemon.h"
#include "models/ports/runtime.h"

namespace overlab {

class IkeMesh {
   public:
    class Daemon;

    /// References must outlive the mesh. `changed` is told of the host whose SAs changed.
    IkeMesh(Runtime& runtime, const ControlUnderlay& underlay,
            std::function<void(const ControlHost&)> changed);
    ~IkeMesh();

    /// Without it a daemon never notices a peer that is gone.
    void set_dead_peer_detection(bool on) { dead_peer_detection_ = on; }
    /// Hosts reach each other, or no longer do.
    void reachability_changed();

   private:
    struct End {
        ControlHost* host = nullptr;
        std::optional<IkeConnection> loaded;
        std::uint64_t established = 0;  ///< 0: not; equal at both ends: with each other
        std::array<SaRow, 2> sas{};
    };
    struct Tunnel {
        explicit Tunnel(Runtime& runtime) : negotiation(runtime), dead_peer(runtime) {}
        std::array<End, 2> ends;  ///< [0] has the lower address
        Timer negotiation, dead_peer;
    };
    struct Key {
        std::array<Ipv4Address, 2> addresses;
        std::array<Ipv4Prefix, 2> subnets;
        friend auto operator<=>(const Key&, const Key&) = default;
    };

    [[nodiscard]] static Key key_of(const IkeConnection& connection);
    [[nodiscard]] static std::size_t side_of(const IkeConnection& connection);
    [[nodiscard]] bool possible(const Tunnel& tunnel) const;
    [[nodiscard]] bool in_touch(const Tunnel& tunnel) const;
    void load(ControlHost& host, const IkeConnection& connection);
    void unload(const IkeConnection& connection);
    void abandon(const IkeConnection& connection);
    void review(Tunnel& tunnel);
    void establish(Tunnel& tunnel);
    void bury_dead_peers(Tunnel& tunnel);
    void withdraw(End& end);
    void erase_if_unused(const Key& key);

    Runtime& runtime_;
    const ControlUnderlay& underlay_;
    std::function<void(const ControlHost&)> changed_;
    bool dead_peer_detection_ = true;
    std::map<Key, std::unique_ptr<Tunnel>> tunnels_;
    std::uint64_t last_established_ = 0;
    std::uint32_t last_spi_ = 0xc0000000;
    std::shared_ptr<void> alive_ = std::make_shared<char>();
};

/// One host's charon, for one life of it. Destruction is its death: SAs stay.
class IkeMesh::Daemon final : public IkeDaemon {
   public:
    Daemon(IkeMesh& mesh, ControlHost& host) : mesh_(&mesh), host_(&host) {}
    ~Daemon() override { kill(); }
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    [[nodiscard]] Result<void> load(const IkeConnection& connection) override;
    [[nodiscard]] Result<void> unload(const std::string& name) override;
    [[nodiscard]] Result<std::vector<std::string>> loaded() override;

    void kill();
    void start() { running_ = true; }

   private:
    IkeMesh* mesh_;
    ControlHost* host_;
    bool running_ = true;
    std::map<std::string, IkeConnection> connections_;
};

}  // namespace overlab
