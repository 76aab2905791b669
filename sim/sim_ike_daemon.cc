#include "sim/sim_ike_daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/base/check.h"
#include "models/net/flow_hash.h"
#include "sim/ike_tunnel.h"

namespace overlab::sim {
namespace {

// charon's spi_min and spi_max.
constexpr std::uint32_t first_spi = 0xc000'0000, spi_count = 0x1000'0000;
constexpr std::size_t max_refused = 65'536;

}  // namespace

SimIkeDaemon::SimIkeDaemon(HostSockets& sockets, Runtime& runtime, SaSink& sink, IkeOptions options)
    : sockets_(sockets),
      runtime_(runtime),
      sink_(sink),
      options_(options),
      born_(runtime.now()),
      worker_free_ns_(std::max(1U, sockets.cpu().profile().cores)),
      alive_(std::make_shared<const char>()) {
    for (const std::uint16_t port : {udp_port::ike, udp_port::ike_nat}) {
        sockets_.bind(Transport::udp, port, [this, port](const FramePtr& frame, Endpoint from) {
            receive(*frame, from, port);
        });
    }
}

SimIkeDaemon::~SimIkeDaemon() {
    tunnels_.clear();  // they take their SPIs out of the index
    for (const std::uint16_t port : {udp_port::ike, udp_port::ike_nat}) {
        sockets_.bind(Transport::udp, port, {});
    }
}

Result<void> SimIkeDaemon::load(const IkeConnection& connection) {
    if (connection.local != sockets_.address() || connection.remote == connection.local) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("IPsec connection {}: is not from host {} to another",
                                connection.name(), sockets_.host_name()));
    }
    OVERLAB_TRY(const DhGroup* const group, parse_esp_proposal(connection.esp_proposal));
    const auto [at, added] = tunnels_.try_emplace(connection.name());
    if (!added) {
        at->second->replace(connection, group);
        return {};
    }
    ++loads_[connection.remote];
    at->second = std::make_unique<IkeTunnel>(*this, connection, group);
    by_remote_.emplace(connection.remote, at->second.get());
    const bool peer_has_tried = refused_.erase(connection.remote) > 0;
    at->second->start(connection.local < connection.remote || peer_has_tried);
    return {};
}

Result<void> SimIkeDaemon::unload(const std::string& name) {
    const auto at = tunnels_.find(name);
    if (at == tunnels_.end()) return {};
    at->second->close();
    std::erase_if(by_remote_, [&](const auto& entry) { return entry.second == at->second.get(); });
    tunnels_.erase(at);
    return {};
}

Result<std::vector<std::string>> SimIkeDaemon::loaded() {
    std::vector<std::string> names;
    names.reserve(tunnels_.size());
    for (const auto& [name, tunnel] : tunnels_) names.push_back(name);
    return names;
}

std::size_t SimIkeDaemon::established() const {
    return static_cast<std::size_t>(
        std::count_if(tunnels_.begin(), tunnels_.end(),
                      [](const auto& entry) { return entry.second->established(); }));
}

void SimIkeDaemon::receive(const Frame& frame, Endpoint from, std::uint16_t port) {
    if (frame.cargo == nullptr) return;  // not from a daemon
    const auto message = std::static_pointer_cast<const IkeMessage>(frame.cargo);
    ++counters_.messages_received;
    if (message->exchange == IkeExchange::init && !message->response) {
        on_init_request(message, from.address, port);
        return;
    }
    // An IKE SA is known by the SPI that its own side chose (RFC 7296 §2.6).
    const std::uint64_t own =
        message->from_initiator ? message->responder_spi : message->initiator_spi;
    IkeTunnel* const* const tunnel = by_spi_.find(own);
    if (tunnel == nullptr || (*tunnel)->connection().remote != from.address) return;
    IkeSa* const sa = (*tunnel)->find(own);
    CHECK(sa != nullptr);
    if (sa->initiator == message->from_initiator) return;  // our own message, reflected
    if (!message->response) sa->port = port;
    (*tunnel)->on_message(*sa, message);
}

void SimIkeDaemon::on_init_request(const IkeMessagePtr& message, Ipv4Address from,
                                   std::uint16_t port) {
    const auto at = by_remote_.find(from);
    if (at != by_remote_.end()) {
        at->second->on_init_request(message, port);
        return;
    }
    if (refused_.size() < max_refused) refused_.insert(from);
    ++counters_.refused;
    IkeMessage refusal;
    refusal.response = true;
    refusal.from_initiator = false;
    refusal.initiator_spi = message->initiator_spi;
    refusal.error = IkeNotify::no_proposal_chosen;
    send(std::make_shared<const IkeMessage>(refusal), from, port);
}

void SimIkeDaemon::send(IkeMessagePtr message, Ipv4Address to, std::uint16_t port) {
    ++counters_.messages_sent;
    FramePtr frame = ike_frame(std::move(message), port);
    frame->flow_hash = flow_hash(sockets_.address(), to, ip_protocol::udp, port, port);
    frame->outer_hash = frame->flow_hash;
    sockets_.send(std::move(frame), Transport::udp, {to, port});
}

void SimIkeDaemon::compute(Duration cost, std::uint64_t own_spi, Computed then) {
    if (!sockets_.cpu().enabled()) cost = {};
    counters_.crypto_ns += cost.ns;
    std::int64_t& free = *std::min_element(worker_free_ns_.begin(), worker_free_ns_.end());
    free = std::max(free, runtime_.now().ns) + cost.ns;
    const std::weak_ptr<const char> alive = alive_;
    runtime_.call_at({free}, [this, alive, own_spi, then = std::move(then)] {
        if (alive.expired()) return;
        IkeTunnel* const* const tunnel = by_spi_.find(own_spi);
        if (tunnel == nullptr) return;
        IkeSa* const sa = (*tunnel)->find(own_spi);
        CHECK(sa != nullptr);
        then(**tunnel, *sa);
    });
}

/// A restarted daemon and a connection loaded anew must not draw the same SPIs again: the peer may
/// still know them. What another host does must not change the draws either.
Rng SimIkeDaemon::stream(std::string_view purpose, Ipv4Address remote) const {
    const auto load = loads_.find(remote);
    CHECK(load != loads_.end());
    return Rng::stream(options_.seed, fmt::format("{}/{}/{}/{}/{}", sockets_.host_name(), purpose,
                                                  remote.to_string(), born_.ns, load->second));
}

std::uint32_t SimIkeDaemon::take_spi(Rng& rng) {
    CHECK(child_spis_.size() < spi_count / 2);
    for (;;) {
        const std::uint32_t spi = first_spi + static_cast<std::uint32_t>(rng.below(spi_count));
        if (child_spis_.insert(spi).second) return spi;
    }
}

IkeTunnel* SimIkeDaemon::find(Ipv4Address remote, Ipv4Prefix local_subnet,
                              Ipv4Prefix remote_subnet) const {
    const auto [first, last] = by_remote_.equal_range(remote);
    const auto at = std::find_if(first, last, [&](const auto& entry) {
        const IkeConnection& connection = entry.second->connection();
        return connection.local_subnet == local_subnet && connection.remote_subnet == remote_subnet;
    });
    return at == last ? nullptr : at->second;
}

}  // namespace overlab::sim
