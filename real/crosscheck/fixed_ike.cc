#include "real/crosscheck/fixed_ike.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/udp.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "models/crosscheck/fixed_sas.h"
#include "models/net/wire.h"
#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

// None: an SA that one end makes anew counts from 1 again, under the SPI of before, and the other
// end must not take its packets for replays. (IKE would agree on another SPI.)
constexpr std::uint8_t replay_window = 0;
constexpr const char* aes_gcm = "rfc4106(gcm(aes))";

std::unexpected<Error> no_socket(const char* what) {
    const int code = errno;
    return fail(code == ENOPROTOOPT ? ErrorKind::unsupported : ErrorKind::unavailable,
                fmt::format("udp port {}: {}: {}", udp_port::ike_nat, what, std::strerror(code)),
                code);
}

/// ESP in UDP reaches the kernel's ESP by a socket that says so only (xfrm4_udp_encap_rcv()).
Result<Fd> open_encap_socket(const Netns& netns) {
    const NetnsScope scope(netns);
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int type = UDP_ENCAP_ESPINUDP;
    if (!fd.valid() || ::setsockopt(fd.get(), IPPROTO_UDP, UDP_ENCAP, &type, sizeof type) != 0)
        return no_socket("ESP in UDP");
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(udp_port::ike_nat);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0)
        return no_socket("bind");
    return fd;
}

void put_key(nlmsghdr* message, const SaRow& sa) {
    const auto key = fixed_sa_key(sa);
    std::array<std::byte, sizeof(xfrm_algo_aead) + std::tuple_size_v<decltype(key)>> bytes{};
    xfrm_algo_aead algorithm{};
    std::strncpy(algorithm.alg_name, aes_gcm, sizeof algorithm.alg_name - 1);
    algorithm.alg_key_len = key.size() * 8;
    algorithm.alg_icv_len = esp_icv_bytes * 8;
    std::memcpy(bytes.data(), &algorithm, sizeof algorithm);
    std::memcpy(bytes.data() + sizeof algorithm, key.data(), key.size());
    put_bytes(message, XFRMA_ALG_AEAD, bytes);
}

void put_encap(nlmsghdr* message, std::uint16_t port) {
    xfrm_encap_tmpl encap{};
    encap.encap_type = UDP_ENCAP_ESPINUDP;
    encap.encap_sport = encap.encap_dport = htons(port);
    put_bytes(message, XFRMA_ENCAP, std::as_bytes(std::span(&encap, 1)));
}

void put_sa(NetlinkBatch& batch, const SaRow& sa) {
    nlmsghdr* const message = batch.add(XFRM_MSG_NEWSA, 0, sizeof(xfrm_usersa_info));
    auto& info = NetlinkBatch::family_header<xfrm_usersa_info>(message);
    info.saddr.a4 = network_order(sa.source);
    info.id.daddr.a4 = network_order(sa.destination);
    info.id.spi = htonl(sa.spi);
    info.id.proto = IPPROTO_ESP;
    info.family = AF_INET;
    info.mode = XFRM_MODE_TUNNEL;
    info.reqid = sa.reqid;
    info.replay_window = replay_window;
    info.flags = XFRM_STATE_AF_UNSPEC;  // whatever the policies let in
    info.lft.soft_byte_limit = info.lft.hard_byte_limit = XFRM_INF;
    info.lft.soft_packet_limit = info.lft.hard_packet_limit = XFRM_INF;
    put_key(message, sa);
    if (sa.encap_port != 0) put_encap(message, sa.encap_port);
}

void put_removal(NetlinkBatch& batch, const SaRow& sa) {
    nlmsghdr* const message = batch.add(XFRM_MSG_DELSA, 0, sizeof(xfrm_usersa_id));
    auto& id = NetlinkBatch::family_header<xfrm_usersa_id>(message);
    id.daddr.a4 = network_order(sa.destination);
    id.spi = htonl(sa.spi);
    id.family = AF_INET;
    id.proto = IPPROTO_ESP;
}

}  // namespace

Result<void> FixedIke::open() {
    if (xfrm_) return {};
    OVERLAB_TRY(encap_socket_, open_encap_socket(*netns_));
    OVERLAB_TRY(xfrm_, NetlinkSocket::open(NETLINK_XFRM, netns_));
    return {};
}

Result<void> FixedIke::load(const IkeConnection& connection) {
    if (Result<void> opened = open(); !opened) return opened;
    const std::string name = connection.name();
    const auto present = connections_.find(name);
    if (present != connections_.end()) {
        if (fixed_sas(present->second) == fixed_sas(connection)) return {};
        if (Result<void> gone = unload(name); !gone) return gone;
    }
    NetlinkBatch batch;
    for (const SaRow& sa : fixed_sas(connection)) put_sa(batch, sa);
    for (Result<void>& done : xfrm_->execute(batch)) {
        if (done) continue;
        done.error().what = fmt::format("connection {}: {}", name, done.error().what);
        return std::move(done);
    }
    connections_.emplace(name, connection);
    return {};
}

Result<void> FixedIke::unload(const std::string& name) {
    const auto present = connections_.find(name);
    if (present == connections_.end()) return {};
    NetlinkBatch batch;
    for (const SaRow& sa : fixed_sas(present->second)) put_removal(batch, sa);
    connections_.erase(present);
    for (Result<void>& done : xfrm_->execute(batch)) {
        if (done || done.error().kind == ErrorKind::not_found) continue;
        done.error().what = fmt::format("connection {}: {}", name, done.error().what);
        return std::move(done);
    }
    return {};
}

Result<std::vector<std::string>> FixedIke::loaded() {
    std::vector<std::string> names;
    for (const auto& [name, connection] : connections_) names.push_back(name);
    return names;
}

Result<void> FixedIke::unload_all() {
    while (!connections_.empty()) {
        const std::string name = connections_.begin()->first;
        if (Result<void> gone = unload(name); !gone) return gone;
    }
    return {};
}

}  // namespace overlab::real
