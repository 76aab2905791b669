// FixedSas: IPsec without a negotiation. What SAs a connection gets in a cross-check follows from
// its name alone, so that both worlds, and both ends, have the same ones.
#pragma once

#include <array>
#include <cstdint>

#include "models/forwarding/rows.h"
#include "models/ports/ike_daemon.h"

namespace overlab {

/// [0] from `local` to `remote`, [1] the way back. reqid is flannel's, 11. The SPI is drawn from
/// the direction's name `<source>-<source subnet>-<destination subnet>-<destination>` and lies in
/// 0xc0000000..0xcfffffff, where charon's lie too.
[[nodiscard]] std::array<SaRow, 2> fixed_sas(const IkeConnection& connection);

/// The AES-GCM key material (16 bytes of key, 4 of salt) of an SA: its SPI, five times over.
[[nodiscard]] std::array<std::uint8_t, 20> fixed_sa_key(const SaRow& sa);

}  // namespace overlab
