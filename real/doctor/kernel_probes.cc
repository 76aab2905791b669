#include "real/doctor/kernel_probes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "real/base/fd.h"
#include "real/base/netns.h"
#include "real/lab/link_shape.h"
#include "real/lab/traffic_control.h"
#include "real/netlink/attributes.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {
namespace {

/// Documentation addresses (RFC 5737): nothing is ever sent to them.
constexpr Ipv4Address here{0xc0000201}, there{0xc0000202};
constexpr std::uint32_t loopback_index = 1;

Result<void> namespaces() {
    const auto made = Netns::create();
    if (!made) return std::unexpected(made.error());
    return {};
}

Result<void> tun() {
    const Fd device(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request{};
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (device.valid() && ::ioctl(device.get(), TUNSETIFF, &request) == 0) return {};
    const int code = errno;
    return fail(ErrorKind::unsupported, fmt::format("/dev/net/tun: {}", std::strerror(code)), code);
}

/// A link of this kind; `data` fills in IFLA_INFO_DATA.
Result<void> link(std::string_view kind, const std::function<void(nlmsghdr*)>& data) {
    OVERLAB_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE));
    NetlinkBatch batch;
    nlmsghdr* const message = batch.add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(ifinfomsg));
    put_text(message, IFLA_IFNAME, "probe");
    {
        const Nest info(message, IFLA_LINKINFO);
        put_text(message, IFLA_INFO_KIND, kind);
        const Nest nest(message, IFLA_INFO_DATA);
        data(message);
    }
    Result<void> made = socket.execute_one(batch);
    if (!made) return made;
    NetlinkBatch removal;  // The next kind takes the same name.
    put_text(removal.add(RTM_DELLINK, 0, sizeof(ifinfomsg)), IFLA_IFNAME, "probe");
    return socket.execute_one(removal);
}

Result<void> vxlan() {
    return link("vxlan", [](nlmsghdr* message) {
        put_u32(message, IFLA_VXLAN_ID, 1);
        put_u16_be(message, IFLA_VXLAN_PORT, 8472);
        put_ipv4(message, IFLA_VXLAN_LOCAL, here);
        put_u8(message, IFLA_VXLAN_LEARNING, 0);
    });
}

Result<void> ipip() {
    // With both addresses: the kernel may have a tunnel without any already, tunl0.
    return link("ipip", [](nlmsghdr* message) {
        put_ipv4(message, IFLA_IPTUN_LOCAL, here);
        put_ipv4(message, IFLA_IPTUN_REMOTE, there);
    });
}

Result<void> wireguard() {
    return link("wireguard", [](nlmsghdr*) {});
}

/// As strongSwan adds one for aes128gcm16.
Result<void> esp() {
    OVERLAB_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_XFRM));
    NetlinkBatch batch;
    nlmsghdr* const message =
        batch.add(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, sizeof(xfrm_usersa_info));
    auto& state = NetlinkBatch::family_header<xfrm_usersa_info>(message);
    state.family = AF_INET;
    state.mode = XFRM_MODE_TUNNEL;
    state.reqid = 11;
    state.replay_window = 32;
    state.saddr.a4 = network_order(here);
    state.id.daddr.a4 = network_order(there);
    state.id.spi = htonl(0x100);
    state.id.proto = IPPROTO_ESP;
    state.lft.soft_byte_limit = state.lft.hard_byte_limit = XFRM_INF;
    state.lft.soft_packet_limit = state.lft.hard_packet_limit = XFRM_INF;

    // 16 bytes of key and 4 of salt (RFC 4106), all zero: no packet will ever use them.
    constexpr std::size_t key_size = 20;
    std::array<std::byte, sizeof(xfrm_algo_aead) + key_size> aead{};
    xfrm_algo_aead header{};
    std::strncpy(header.alg_name, "rfc4106(gcm(aes))", sizeof header.alg_name - 1);
    header.alg_key_len = key_size * 8;
    header.alg_icv_len = 128;
    std::memcpy(aead.data(), &header, sizeof header);
    put_bytes(message, XFRMA_ALG_AEAD, aead);
    return socket.execute_one(batch);
}

Result<void> shaped(const LinkShape& shape) {
    OVERLAB_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE));
    return set_shape(socket, loopback_index, shape);
}

Result<void> tbf() {
    return shaped({.rate_bps = 1'000'000'000, .queue_bytes = 100'000, .burst_bytes = 20'000});
}

Result<void> netem() {
    return shaped({.delay = milliseconds(1), .delay_line_packets = 100, .loss_ppb = 1'000'000});
}

Result<void> nftables() {
    constexpr const char* rules =
        "table ip probe { chain probe { type nat hook postrouting priority 100; "
        "ip saddr 10.244.0.0/16 masquerade fully-random; }; }";
    const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> nft(nft_ctx_new(NFT_CTX_DEFAULT),
                                                           nft_ctx_free);
    if (nft == nullptr) return fail(ErrorKind::unavailable, "libnftables does not start");
    nft_ctx_buffer_error(nft.get());
    if (nft_run_cmd_from_buffer(nft.get(), rules) == 0) return {};
    const std::string said = nft_ctx_get_error_buffer(nft.get());
    return fail(ErrorKind::unsupported, said.substr(0, said.find('\n')));
}

}  // namespace

const std::vector<KernelProbe>& kernel_probes() {
    static const std::vector<KernelProbe> probes{
        {Feature::namespaces, namespaces},
        {Feature::tun, tun},
        {Feature::vxlan, vxlan},
        {Feature::ipip, ipip},
        {Feature::wireguard, wireguard},
        {Feature::esp, esp},
        {Feature::tbf, tbf},
        {Feature::netem, netem},
        {Feature::nftables, nftables},
    };
    return probes;
}

}  // namespace overlab::real
