#include "models/control/ike_mesh.h"

#include <algorithm>
#include <utility>

#include "models/base/check.h"

namespace overlab {
namespace {

// Four messages and two Diffie-Hellman exchanges, roughly (docs/ike-model.md).
constexpr Duration negotiation_time = milliseconds(20);
// charon asks after 30 s of silence and gives up 165 s later, as in sim/sim_ike_daemon.h.
constexpr Duration dead_peer_time = seconds(30 + 165);
// An SA's hard limit: what the kernel still holds when nobody rekeys it.
constexpr Duration sa_life = minutes(66);
constexpr std::uint32_t flannel_reqid = 11;
constexpr std::uint16_t encap_port = 4500;

bool agree(const IkeConnection& a, const IkeConnection& b) {
    return a.psk == b.psk && a.esp_proposal == b.esp_proposal && a.udp_encap == b.udp_encap;
}

}  // namespace

IkeMesh::IkeMesh(Runtime& runtime, const ControlUnderlay& underlay,
                 std::function<void(const ControlHost&)> changed)
    : runtime_(runtime), underlay_(underlay), changed_(std::move(changed)) {}

IkeMesh::~IkeMesh() = default;

std::size_t IkeMesh::side_of(const IkeConnection& connection) {
    return connection.local < connection.remote ? 0 : 1;
}

IkeMesh::Key IkeMesh::key_of(const IkeConnection& connection) {
    Key key{{connection.local, connection.remote},
            {connection.local_subnet, connection.remote_subnet}};
    if (side_of(connection) == 1) {
        std::swap(key.addresses[0], key.addresses[1]);
        std::swap(key.subnets[0], key.subnets[1]);
    }
    return key;
}

bool IkeMesh::possible(const Tunnel& tunnel) const {
    const auto& [low, high] = tunnel.ends;
    return low.loaded && high.loaded && low.host != high.host && agree(*low.loaded, *high.loaded) &&
           underlay_.reaches(low.host->node(), high.host->node());
}

/// Both ends hold the same SAs, and hear each other.
bool IkeMesh::in_touch(const Tunnel& tunnel) const {
    const auto& [low, high] = tunnel.ends;
    return low.established == high.established && low.loaded && high.loaded &&
           underlay_.reaches(low.host->node(), high.host->node());
}

void IkeMesh::load(ControlHost& host, const IkeConnection& connection) {
    std::unique_ptr<Tunnel>& tunnel = tunnels_[key_of(connection)];
    if (tunnel == nullptr) tunnel = std::make_unique<Tunnel>(runtime_);
    End& end = tunnel->ends[side_of(connection)];
    end.host = &host;
    end.loaded = connection;
    review(*tunnel);
}

void IkeMesh::unload(const IkeConnection& connection) {
    const auto found = tunnels_.find(key_of(connection));
    if (found == tunnels_.end()) return;
    Tunnel& tunnel = *found->second;
    End& end = tunnel.ends[side_of(connection)];
    End& peer = tunnel.ends[1 - side_of(connection)];
    const bool told = peer.established != 0 && peer.established == end.established && peer.loaded &&
                      underlay_.reaches(end.host->node(), peer.host->node());
    withdraw(end);
    if (told) withdraw(peer);
    end.loaded.reset();
    review(tunnel);
    erase_if_unused(found->first);
}

/// The daemon is dead: its SAs live on until the kernel ends them.
void IkeMesh::abandon(const IkeConnection& connection) {
    const auto found = tunnels_.find(key_of(connection));
    if (found == tunnels_.end()) return;
    End& end = found->second->ends[side_of(connection)];
    if (end.established != 0) {
        runtime_.call_after(
            sa_life, [this, alive = std::weak_ptr<void>(alive_), host = end.host, sas = end.sas] {
                if (alive.expired()) return;
                for (const SaRow& sa : sas) CHECK(host->tables().withdraw(sa).has_value());
                changed_(*host);
            });
    }
    end.established = 0;
    end.loaded.reset();
    review(*found->second);
    erase_if_unused(found->first);
}

void IkeMesh::reachability_changed() {
    for (const auto& [key, tunnel] : tunnels_) review(*tunnel);
}

void IkeMesh::review(Tunnel& tunnel) {
    const auto& [low, high] = tunnel.ends;
    const bool joined = low.established != 0 && low.established == high.established;
    if (joined || !possible(tunnel)) {
        tunnel.negotiation.stop();
    } else if (!tunnel.negotiation.armed()) {
        tunnel.negotiation.start(negotiation_time, [this, &tunnel] { establish(tunnel); });
    }
    const bool alone = (low.established != 0 || high.established != 0) && !in_touch(tunnel);
    if (!alone || !dead_peer_detection_) {
        tunnel.dead_peer.stop();
    } else if (!tunnel.dead_peer.armed()) {
        tunnel.dead_peer.start(dead_peer_time, [this, &tunnel] { bury_dead_peers(tunnel); });
    }
}

void IkeMesh::establish(Tunnel& tunnel) {
    const std::uint64_t number = ++last_established_;
    const IkeConnection& low = *tunnel.ends[0].loaded;
    SaRow there{.source = low.local,
                .destination = low.remote,
                .spi = ++last_spi_,
                .reqid = flannel_reqid,
                .encap_port = low.udp_encap ? encap_port : std::uint16_t{0}};
    SaRow back = there;
    std::swap(back.source, back.destination);
    back.spi = ++last_spi_;
    for (End& end : tunnel.ends) {
        // INITIAL_CONTACT: what an end still holds of the peer's former life goes.
        if (end.established != 0) withdraw(end);
        end.established = number;
        end.sas = {there, back};
        // An SA names no link and no gateway: nothing can refuse it.
        for (const SaRow& sa : end.sas) CHECK(end.host->tables().install(sa).has_value());
    }
    for (const End& end : tunnel.ends) changed_(*end.host);
    review(tunnel);
}

void IkeMesh::bury_dead_peers(Tunnel& tunnel) {
    for (End& end : tunnel.ends) {
        if (end.established != 0) withdraw(end);
    }
    review(tunnel);
}

void IkeMesh::withdraw(End& end) {
    if (end.established == 0) return;
    end.established = 0;
    for (const SaRow& sa : end.sas) CHECK(end.host->tables().withdraw(sa).has_value());
    changed_(*end.host);
}

void IkeMesh::erase_if_unused(const Key& key) {
    const auto found = tunnels_.find(key);
    const bool used = std::ranges::any_of(found->second->ends, [](const End& end) {
        return end.loaded.has_value() || end.established != 0;
    });
    if (!used) tunnels_.erase(found);
}

// ---- one host's daemon ----

Result<void> IkeMesh::Daemon::load(const IkeConnection& connection) {
    if (!running_) return fail(ErrorKind::unavailable, "charon: not running");
    connections_.insert_or_assign(connection.name(), connection);
    mesh_->load(*host_, connection);
    return {};
}

Result<void> IkeMesh::Daemon::unload(const std::string& name) {
    if (!running_) return fail(ErrorKind::unavailable, "charon: not running");
    const auto found = connections_.find(name);
    if (found == connections_.end()) return {};
    mesh_->unload(found->second);
    connections_.erase(found);
    return {};
}

Result<std::vector<std::string>> IkeMesh::Daemon::loaded() {
    if (!running_) return fail(ErrorKind::unavailable, "charon: not running");
    std::vector<std::string> names;
    for (const auto& [name, connection] : connections_) names.push_back(name);
    return names;
}

void IkeMesh::Daemon::kill() {
    running_ = false;
    for (const auto& [name, connection] : std::exchange(connections_, {})) {
        mesh_->abandon(connection);
    }
}

}  // namespace overlab
