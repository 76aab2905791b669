// PeerSet: all leases of the network as one host sees them, and what they mean for the host. One
// lease changed means O(1) work: the peer's share of the plan before and after, and that of its
// rivals (claims of one thing, claim_index.h). Of two rivals the lower subnet wins, whatever the
// order of events; the other has no rows until the winner goes.
//
// Nothing is kept of a peer but its lease and a byte: rows are derived again when they are needed,
// because 5,000 hosts with 5,000 peers each would not fit in memory otherwise.
//
// Invariant: append_rows() equals what the sum of all deltas since the last snapshot has built up.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/backends/backend.h"
#include "models/node/claim_index.h"

namespace overlab {

/// What the host must do because the peers changed.
struct PeerDelta {
    std::vector<RowChange> rows;  ///< in an order that is safe to apply
    std::vector<IkeConnection> load;
    std::vector<std::string> unload;   ///< connection names
    std::vector<std::string> remarks;  ///< `peer 10.244.3.0/24: ...`
};

class PeerSet {
   public:
    using ReachFn = std::function<Reach(Ipv4Address)>;
    using Remarks = std::vector<std::pair<LeaseSubnet, std::string>>;

    /// `backend` must outlive the set. Without `has_ike`, peers that need a connection are
    /// unsupported.
    PeerSet(const Backend& backend, bool has_ike, ReachFn reach);

    /// The host's own side changed: every peer is judged anew. The caller applies the whole plan;
    /// answers only remarks.
    [[nodiscard]] std::vector<std::string> set_local(LocalNode local);
    /// The set is exactly `leases` from now on. As set_local, the caller applies the whole plan.
    [[nodiscard]] std::vector<std::string> replace_all(std::span<const LeasePtr> leases);

    [[nodiscard]] PeerDelta put(LeasePtr lease);
    [[nodiscard]] PeerDelta remove(const LeaseSubnet& subnet);  ///< absent: no change

    /// Asks anew how each peer is reached (routes of the underlay change). As set_local.
    [[nodiscard]] std::vector<std::string> refresh_reach();

    /// The lease of exactly this subnet, or null.
    [[nodiscard]] LeasePtr find(const LeaseSubnet& subnet) const;
    /// All leases but the host's own.
    [[nodiscard]] std::size_t size() const;
    void append_rows(std::vector<Row>& rows) const;                ///< unordered
    [[nodiscard]] std::vector<IkeConnection> connections() const;  ///< unordered
    /// Peers without rows and why, ordered by subnet.
    [[nodiscard]] Remarks unsupported() const;

   private:
    /// What is known of a peer beside its lease.
    struct Standing {
        Reach reach : 2 = Reach::unknown;
        bool eligible : 1 = false;  ///< the backend can plan for it
        bool active : 1 = false;    ///< eligible, and no lower rival: its rows are part of the plan
    };
    static_assert(sizeof(Standing) == 1);

    /// A peer's share of the plan.
    struct Share {
        std::vector<Row> rows;
        std::optional<IkeConnection> connection;
        std::string remark;
    };

    [[nodiscard]] std::optional<PeerId> id_of(const LeaseSubnet& subnet) const;
    [[nodiscard]] Claims claims_of(const Lease& lease) const;
    [[nodiscard]] Plan plan(PeerId id) const;
    [[nodiscard]] Reach ask_reach(const Lease& lease) const;
    [[nodiscard]] std::optional<PeerId> lower_rival(PeerId id) const;
    [[nodiscard]] std::string clash(PeerId id, PeerId winner) const;
    [[nodiscard]] Share share(PeerId id) const;
    [[nodiscard]] Share share(PeerId id, Plan plan) const;
    void judge(PeerId id);  ///< sets `active`
    void judge_all();
    [[nodiscard]] PeerId allocate();
    [[nodiscard]] Plan link(PeerId id, LeasePtr lease, const Claims& claims);
    void unlink(PeerId id);
    [[nodiscard]] PeerDelta change(PeerId id, LeasePtr lease);
    [[nodiscard]] std::vector<PeerId> affected_by(PeerId id,
                                                  const std::optional<Claims>& next) const;
    static void note_difference(const LeaseSubnet& subnet, const Share& before, Share& after,
                                PeerDelta& delta);
    [[nodiscard]] PeerDelta welcome(PeerId id, LeasePtr lease, const Claims& claims);
    [[nodiscard]] Remarks remarks() const;
    [[nodiscard]] std::vector<std::string> news(const Remarks& before, Remarks notes) const;

    const Backend* backend_;
    bool has_ike_;
    ReachFn reach_;
    LocalNode local_;
    std::vector<LeasePtr> leases_;     ///< by PeerId; null: a free number
    std::vector<Standing> standings_;  ///< by PeerId
    std::vector<PeerId> free_;
    ClaimIndex claims_;
};

}  // namespace overlab
