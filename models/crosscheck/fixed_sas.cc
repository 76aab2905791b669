#include "models/crosscheck/fixed_sas.h"

#include "models/base/rng.h"
#include "models/net/bytes.h"

namespace overlab {
namespace {

constexpr std::uint32_t flannel_reqid = 11;
constexpr std::uint16_t encap_port = 4500;

SaRow fixed_sa(const IkeConnection& direction) {
    const auto hash = static_cast<std::uint32_t>(stable_hash(direction.name()));
    return {.source = direction.local,
            .destination = direction.remote,
            .spi = 0xc0000000U | (hash & 0x0fffffffU),
            .reqid = flannel_reqid,
            .encap_port = direction.udp_encap ? encap_port : std::uint16_t{0}};
}

}  // namespace

std::array<SaRow, 2> fixed_sas(const IkeConnection& connection) {
    IkeConnection back = connection;
    std::swap(back.local, back.remote);
    std::swap(back.local_subnet, back.remote_subnet);
    return {fixed_sa(connection), fixed_sa(back)};
}

std::array<std::uint8_t, 20> fixed_sa_key(const SaRow& sa) {
    std::array<std::uint8_t, 20> key{};
    for (std::size_t i = 0; i < key.size(); i += 4) store_be32(key.data() + i, sa.spi);
    return key;
}

}  // namespace overlab
