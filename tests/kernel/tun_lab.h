// Two hosts in namespaces of their own, joined by a veth pair, each with an UdpTunnel: for kernel
// tests of the tunnel and its benchmark. Overlay addresses are the hosts' own, on the TUN devices.
//
//   10.244.1.0  flannel0 [host 0] 192.0.2.1 -- u0 ==== u0 -- 192.0.2.2 [host 1]
//   flannel0  10.244.2.0
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "real/base/netns.h"
#include "real/base/process.h"
#include "real/tun/udp_tunnel.h"

namespace overlab::test {

class TunLab {
   public:
    static constexpr std::uint16_t port = 8285;
    static constexpr std::uint32_t underlay_mtu = 1500, overhead = 28;

    /// Runs shell commands in one host's namespace; throws if one fails.
    void shell(std::size_t host, const std::string& script) const {
        const auto done = real::output_of(
            {.argv = {"sh", "-ec", script}, .env = {}, .netns = &hosts_[host].netns});
        if (!done) throw std::runtime_error(done.error().what);
    }

    /// The veth pair, without tunnels. `faithful`: no offloads on it, as a real wire has none.
    explicit TunLab(bool faithful = false) : hosts_{{{new_netns()}, {new_netns()}}} {
        shell(0, fmt::format("ip link add u0 mtu {} type veth peer name u0 mtu {} netns "
                             "/proc/{}/fd/{}",
                             underlay_mtu, underlay_mtu, ::getpid(), hosts_[1].netns.fd()));
        for (std::size_t host = 0; host < 2; ++host) {
            shell(host, fmt::format("ip addr add {}/24 dev u0; ip link set u0 up",
                                    underlay(host).to_string()));
            if (faithful) shell(host, "ethtool -K u0 tx off > /dev/null");
        }
    }

    [[nodiscard]] static Ipv4Address underlay(std::size_t host) {
        return {0xc0000201 + static_cast<std::uint32_t>(host)};
    }
    [[nodiscard]] static Ipv4Address overlay(std::size_t host) {
        return {0x0af40100 + (static_cast<std::uint32_t>(host) << 8)};
    }
    [[nodiscard]] static LinkRow link_row(std::size_t host) {
        return {.name = "flannel0",
                .kind = LinkRow::Kind::tun,
                .lower = {},
                .local = underlay(host),
                .port = port,
                .mtu = underlay_mtu - overhead};
    }
    [[nodiscard]] static TunnelPeerRow peer_row(std::size_t of_host) {
        return {.link = "flannel0",
                .subnet = Ipv4Prefix::of(overlay(of_host), 24),
                .destination = underlay(of_host),
                .port = port};
    }

    /// A tunnel with the other host as its peer.
    void start_tunnel(std::size_t host, real::UdpTunnelOptions options = {}) {
        auto tunnel = real::UdpTunnel::create(hosts_[host].netns, std::move(options));
        if (!tunnel) throw std::runtime_error(tunnel.error().what);
        hosts_[host].tunnel = std::move(*tunnel);
        must(hosts_[host].tunnel->install_link(link_row(host)));
        configure_device(host);
        must(hosts_[host].tunnel->install_peer(peer_row(1 - host)));
    }

    /// What the stack does after install_link().
    void configure_device(std::size_t host) const {
        shell(host, fmt::format("sysctl -qw net.ipv6.conf.flannel0.disable_ipv6=1 || true; "
                                "ip addr add {}/32 dev flannel0; "
                                "ip link set flannel0 mtu {} up; "
                                "ip route add 10.244.0.0/16 dev flannel0",
                                overlay(host).to_string(), link_row(host).mtu));
    }

    [[nodiscard]] real::UdpTunnel& tunnel(std::size_t host) { return *hosts_[host].tunnel; }
    [[nodiscard]] const real::Netns& netns(std::size_t host) const { return hosts_[host].netns; }

    static void must(const Result<void>& result) {
        if (!result) throw std::runtime_error(result.error().what);
    }

   private:
    struct Host {
        real::Netns netns;
        std::unique_ptr<real::UdpTunnel> tunnel = nullptr;
    };

    static real::Netns new_netns() {
        auto netns = real::Netns::create();
        if (!netns) throw std::runtime_error(netns.error().what);
        return std::move(*netns);
    }

    std::array<Host, 2> hosts_;
};

}  // namespace overlab::test
