#include "real/tun/udp_tunnel.h"

#include <fmt/format.h>
#include <net/if.h>

#include <atomic>
#include <map>
#include <utility>

#include "models/base/check.h"
#include "real/tun/data_path.h"
#include "real/tun/peer_table.h"
#include "real/tun/tunnel_device.h"

namespace overlab::real {
namespace {

/// A link with its peers and its threads.
struct Tunnel {
    explicit Tunnel(const LinkRow& link) : row(link), mtu(link.mtu) {}

    LinkRow row;
    PeerTable peers;
    std::atomic<std::uint32_t> mtu;
    std::unique_ptr<DataPath> path;  ///< last: its threads read the others
};

class UdpTunnelOnThreads final : public UdpTunnel {
   public:
    UdpTunnelOnThreads(Netns netns, UdpTunnelOptions options)
        : netns_(std::move(netns)), options_(std::move(options)) {}

    Result<void> install_link(const LinkRow& row) override;
    Result<void> withdraw_link(const LinkName& name) override;
    Result<void> install_peer(const TunnelPeerRow& row) override;
    Result<void> withdraw_peer(const TunnelPeerRow& row) override;
    [[nodiscard]] std::vector<Row> rows() const override;
    [[nodiscard]] UdpTunnelCounters counters() const override;

   private:
    [[nodiscard]] Result<void> start(Tunnel& tunnel);
    void stop(Tunnel& tunnel);

    Netns netns_;
    UdpTunnelOptions options_;
    std::map<LinkName, Tunnel> tunnels_;
    UdpTunnelCounters past_;  ///< of paths that are gone
};

/// Whether `now` can take over from `before` while packets flow.
bool same_but_mtu(LinkRow before, const LinkRow& now) {
    before.mtu = now.mtu;
    return before == now;
}

Result<void> check(const LinkRow& row) {
    const auto wrong = [&](std::string_view why) {
        return fail(ErrorKind::invalid_argument, fmt::format("link {}: {}", row.name, why));
    };
    if (row.kind != LinkRow::Kind::tun) return wrong("not a tun link");
    if (row.name.empty() || row.name.size() >= IFNAMSIZ) {
        return wrong(fmt::format("expected a name of 1 to {} bytes", IFNAMSIZ - 1));
    }
    if (row.port == 0) return wrong("expected a UDP port of 1 to 65535");
    return {};
}

Result<void> UdpTunnelOnThreads::install_link(const LinkRow& row) {
    if (Result<void> checked = check(row); !checked) return checked;
    const auto [at, added] = tunnels_.try_emplace(row.name, row);
    Tunnel& tunnel = at->second;
    if (!added) {
        const bool keep = same_but_mtu(tunnel.row, row);
        tunnel.row = row;
        tunnel.mtu.store(row.mtu, std::memory_order_relaxed);
        if (keep) return {};
        stop(tunnel);
    }
    Result<void> started = start(tunnel);
    if (!started) tunnels_.erase(at);
    return started;
}

Result<void> UdpTunnelOnThreads::start(Tunnel& tunnel) {
    const NetnsScope scope(netns_);
    auto queues = open_tunnel_queues(tunnel.row, options_);
    if (!queues) return std::unexpected(queues.error());
    PathSetup setup{.queues = std::move(*queues), .peers = tunnel.peers, .mtu = tunnel.mtu};
    tunnel.path = options_.mode == UdpTunnelOptions::Mode::fast
                      ? start_fast_path(std::move(setup))
                      : start_classic_path(std::move(setup));
    return {};
}

void UdpTunnelOnThreads::stop(Tunnel& tunnel) {
    // The threads may still count while they end.
    tunnel.path->stop();
    tunnel.path->add_to(past_);
    tunnel.path.reset();
}

Result<void> UdpTunnelOnThreads::withdraw_link(const LinkName& name) {
    const auto at = tunnels_.find(name);
    if (at == tunnels_.end()) return {};
    stop(at->second);
    tunnels_.erase(at);
    return {};
}

Result<void> UdpTunnelOnThreads::install_peer(const TunnelPeerRow& row) {
    const auto at = tunnels_.find(row.link);
    if (at == tunnels_.end()) {
        return fail(ErrorKind::not_found, fmt::format("tunnel {}: there is no link {}",
                                                      row.subnet.to_string(), row.link));
    }
    at->second.peers.put(row.subnet, {row.destination, row.port});
    return {};
}

Result<void> UdpTunnelOnThreads::withdraw_peer(const TunnelPeerRow& row) {
    const auto at = tunnels_.find(row.link);
    if (at != tunnels_.end()) at->second.peers.erase(row.subnet);
    return {};
}

std::vector<Row> UdpTunnelOnThreads::rows() const {
    std::vector<Row> rows;
    for (const auto& [name, tunnel] : tunnels_) rows.emplace_back(tunnel.row);
    for (const auto& [name, tunnel] : tunnels_) {
        for (const auto& [subnet, to] : tunnel.peers.all()) {
            rows.emplace_back(TunnelPeerRow{name, subnet, to.address, to.port});
        }
    }
    return rows;
}

UdpTunnelCounters UdpTunnelOnThreads::counters() const {
    UdpTunnelCounters sum = past_;
    for (const auto& [name, tunnel] : tunnels_) tunnel.path->add_to(sum);
    return sum;
}

}  // namespace

Result<std::unique_ptr<UdpTunnel>> UdpTunnel::create(const Netns& netns, UdpTunnelOptions options) {
    const bool classic = options.mode == UdpTunnelOptions::Mode::classic;
    const unsigned most = classic ? 1 : UdpTunnelOptions::max_queues;
    if (options.queues == 0 || options.queues > most) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("udp tunnel: {} queues: expected 1 to {}{}", options.queues, most,
                                classic ? " in classic mode" : ""));
    }
    OVERLAB_TRY(Netns own, netns.duplicate());
    return std::make_unique<UdpTunnelOnThreads>(std::move(own), std::move(options));
}

}  // namespace overlab::real
