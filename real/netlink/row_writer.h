// RowWriter: addresses, neighbours, FDB rows and routes on their way into the kernel, many a system
// call, each answer brought back to the change it belongs to.
//
// A route never replaces one of somebody else's. Each goes in with NLM_F_EXCL; the few that are
// refused because there is one already are looked up in the table, and ours among them are
// replaced in a second round. Two wishes for one destination never share a round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/base/error.h"
#include "models/base/flat_hash.h"
#include "models/forwarding/rows.h"
#include "real/netlink/link_table.h"
#include "real/netlink/netlink_socket.h"
#include "real/netlink/route_rows.h"

namespace overlab::real {

/// The destinations of the main table that other people's routes hold, as of the last look.
class ForeignRoutes {
   public:
    void learn(std::span<const KernelRoute> routes, std::uint8_t own_protocol);
    [[nodiscard]] bool known() const { return known_; }
    [[nodiscard]] bool hold(Ipv4Prefix destination) const;

   private:
    bool known_ = false;
    std::vector<Ipv4Prefix> destinations_;  ///< ascending
};

class RowWriter {
   public:
    /// One outcome is written to `outcomes` for each change that is added, at once or by flush().
    /// All must outlive the writer. `own_address`: no gateway of ours.
    RowWriter(NetlinkSocket& socket, LinkTable& links, ForeignRoutes& foreign,
              std::uint8_t own_protocol, std::vector<Result<void>>& outcomes,
              Ipv4Address own_address = {});

    /// `change.row` is an AddressRow, NeighbourRow, FdbRow or RouteRow, and stays where it is until
    /// flush(). `index`: of its outcome.
    void add(std::size_t index, const RowChange& change);
    /// What was added is in the kernel afterwards, in the order in which it was added.
    void flush();

   private:
    struct Pending {
        std::size_t index = 0;
        const RowChange* change = nullptr;
        std::uint32_t link = 0;
    };

    /// The link's index; else the outcome is written and there is nothing more to do.
    [[nodiscard]] const KnownLink* link_for(const LinkName& name, const Pending& pending,
                                            bool must_be_own);
    void write(Pending pending, const AddressRow& row);
    void write(Pending pending, const NeighbourRow& row);
    void write(Pending pending, const FdbRow& row);
    void write(Pending pending, const RouteRow& row);
    void fail_with(const Pending& pending, ErrorKind kind, std::string_view why);
    void note(const Pending& pending, const Result<void>& outcome);
    void look_at_routes();
    void replace_own(std::span<const Pending> refused);

    NetlinkSocket* socket_;
    LinkTable* links_;
    ForeignRoutes* foreign_;
    std::uint8_t own_protocol_;
    std::vector<Result<void>>* outcomes_;
    Ipv4Address own_address_;

    NetlinkBatch batch_;
    std::vector<Pending> pending_;                  ///< one a message
    FlatHash<std::uint64_t, char> routes_pending_;  ///< destinations of installations
    bool looked_ = false;                           ///< at the routes, in this writer's life
};

}  // namespace overlab::real
