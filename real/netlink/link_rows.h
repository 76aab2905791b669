// LinkRows: makes, changes and deletes the devices that link rows stand for.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/link_table.h"
#include "real/netlink/links.h"
#include "real/netlink/wireguard_devices.h"
#include "real/tun/udp_tunnel.h"

namespace overlab::real {

/// What installing a link row does to the device of that name.
enum class LinkEffect : std::uint8_t {
    none,     ///< it is just so
    change,   ///< the device stays, and the rows on it shall
    replace,  ///< there is none, or it must be made anew: rows on it are lost
};

class LinkRows {
   public:
    /// `tunnel` may be null: tun rows are unsupported then. So may `wireguard`.
    LinkRows(Links& links, LinkTable& table, UdpTunnel* tunnel, WireguardSide* wireguard)
        : links_(&links), table_(&table), tunnel_(tunnel), wireguard_(wireguard) {}

    /// Errors: not_found (no lower device), already_exists (a foreign device has the name),
    /// unsupported (the kind).
    [[nodiscard]] Result<LinkEffect> effect_of(const LinkRow& row);
    /// `effect` as effect_of() says. The device is up afterwards and has its MAC. Forgets the
    /// table. Errors: the kernel's.
    [[nodiscard]] Result<void> install(const LinkRow& row, LinkEffect effect);
    /// Foreign or absent: success.
    [[nodiscard]] Result<void> withdraw(const LinkName& name);

    /// Rows of the tunnel's device, as the kernel has it, and of its peers; of `links` (the
    /// table's list).
    [[nodiscard]] std::vector<Row> tunnel_rows(const std::vector<KnownLink>& links) const;

   private:
    [[nodiscard]] std::optional<LinkRow> tunnel_row(const LinkName& name) const;
    [[nodiscard]] Result<void> supports(const LinkRow& row);
    [[nodiscard]] Result<std::optional<LinkRow>> known_row(const KnownLink& link) const;
    [[nodiscard]] Result<void> create(const LinkRow& row);
    [[nodiscard]] Result<void> configure(const LinkRow& row);
    [[nodiscard]] Result<void> install_tun(const LinkRow& row);
    [[nodiscard]] Result<void> bring_up(const LinkRow& row);

    Links* links_;
    LinkTable* table_;
    UdpTunnel* tunnel_;
    WireguardSide* wireguard_;
};

}  // namespace overlab::real
