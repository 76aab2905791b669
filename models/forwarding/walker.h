// Walker: one packet's walk in progress (packet_walk.h is the way in). Each member takes the packet
// one stage further and says so in a step; the stage that ends the walk sets the disposition. The
// order of the stages is the kernel's and sim/host_forward.cc's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/forwarding/packet_walk.h"

namespace overlab {

/// The largest fragment of a packet that has to fit `mtu`: offsets count in units of 8 bytes.
[[nodiscard]] constexpr std::uint32_t fragment_size(std::uint32_t mtu) {
    return 20 + (mtu - 20) / 8 * 8;
}

class Walker {
   public:
    struct World {
        const std::vector<WalkHost>& hosts;
        const std::map<Ipv4Address, std::size_t>& host_of_address;
        const UnderlayPathFn& underlay;
    };

    Walker(World world, WalkPacket packet) : world_(world), packet_(packet) {}
    [[nodiscard]] Walk run_from_pod(std::size_t host);
    [[nodiscard]] Walk run_from_host(std::size_t host);

   private:
    /// Where a packet comes from when a host forwards it.
    enum class Origin : std::uint8_t { pod, underlay, esp, host };

    /// A packet on its way through the underlay: bare, or inside something.
    struct Flight {
        enum class Kind : std::uint8_t { bare, vxlan, udp_proxy, ipip, wireguard, esp };
        Kind kind = Kind::bare;
        Ipv4Address source{}, destination{};  ///< outer; of a bare packet its own
        std::uint32_t overhead = 0;
        bool dont_fragment = false;  ///< on the outermost header
        std::uint32_t vni = 0;
        std::uint16_t port = 0;
        MacAddress mac{};
        std::uint32_t spi = 0;
        std::optional<WireguardKey> key = std::nullopt;  ///< the sender's, where known
    };

    [[nodiscard]] const WalkHost& here() const { return world_.hosts[here_]; }
    [[nodiscard]] const ForwardingTables& tables() const { return *here().tables; }

    void step(std::string_view stage, std::string what, std::string row = {});
    /// Ends the walk. Answers nullopt for the callers that return "what next".
    std::nullopt_t end(Disposition disposition, std::string_view stage, std::string what,
                       std::string row = {});

    [[nodiscard]] Walk run(Origin origin);
    /// Ends the walk as end(), and the sender is told.
    std::nullopt_t refuse(Disposition disposition, WalkIcmp icmp, std::string_view stage,
                          std::string what, std::string row = {});
    void leave_pod();
    void deliver(std::string_view how);
    [[nodiscard]] bool fits(std::uint32_t mtu, const std::string& where);
    [[nodiscard]] bool pod_is_here(Ipv4Address address) const;
    [[nodiscard]] std::optional<Flight> forward(Origin origin);
    [[nodiscard]] bool admitted(Origin origin);
    [[nodiscard]] bool take_from_ttl(std::string_view stage, std::string_view who,
                                     bool tells = false);
    [[nodiscard]] std::optional<Flight> send_by(const RouteMatch& match);
    [[nodiscard]] std::optional<Flight> into_vxlan(const RouteMatch& match);
    [[nodiscard]] std::optional<Flight> into_tun(LinkIndex link);
    [[nodiscard]] std::optional<Flight> into_ipip(const RouteMatch& match);
    [[nodiscard]] std::optional<Flight> into_wireguard(LinkIndex link);
    [[nodiscard]] std::optional<Flight> into_esp(const PolicyEntry& policy);
    [[nodiscard]] bool cross(const Flight& flight);
    [[nodiscard]] std::optional<std::size_t> next_host(const Flight& flight,
                                                       const RouteMatch& match);
    void note_outer(const Flight& flight, std::uint32_t nic_mtu);
    [[nodiscard]] bool handshake_succeeds(const WireguardPeerRow& peer) const;
    [[nodiscard]] bool survives(const Flight& flight, std::uint32_t mtu, bool a_router_is_there);
    [[nodiscard]] std::optional<Origin> receive(const Flight& flight);
    [[nodiscard]] std::optional<Origin> receive_vxlan(const Flight& flight);
    [[nodiscard]] std::optional<Origin> receive_proxy(const Flight& flight);
    [[nodiscard]] std::optional<Origin> receive_ipip(const Flight& flight);
    [[nodiscard]] std::optional<Origin> receive_wireguard(const Flight& flight);
    [[nodiscard]] std::optional<Origin> receive_esp(const Flight& flight);

    [[nodiscard]] std::string text(const RouteMatch& match) const;
    [[nodiscard]] std::string policy_text(PolicyRow::Direction direction) const;

    World world_;
    WalkPacket packet_;
    Walk walk_;
    std::size_t start_ = 0;
    std::size_t here_ = 0;
    std::set<std::size_t> forwarded_by_;
    std::uint32_t size_on_wire_ = 0;
    std::uint32_t mtu_ = 0;
    bool ended_ = false;
};

}  // namespace overlab
