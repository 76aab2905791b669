// PolicyWriter: policies on their way into the kernel. As RowWriter: many a system call where they
// are new, and one by one where there is something already, because that may be somebody else's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

class PolicyWriter {
   public:
    /// `own_reqid`: what marks a policy as ours. One outcome is written for each change, at once or
    /// by flush().
    PolicyWriter(NetlinkSocket& socket, std::uint32_t own_reqid,
                 std::vector<Result<void>>& outcomes)
        : socket_(&socket), own_reqid_(own_reqid), outcomes_(&outcomes) {}

    /// `row` is `change`'s, and both stay where they are until flush().
    void add(std::size_t index, const RowChange& change, const PolicyRow& row);
    void flush();

   private:
    struct Pending {
        std::size_t index = 0;
        const PolicyRow* row = nullptr;
    };
    void note(const Pending& pending, const Result<void>& outcome);
    [[nodiscard]] Result<void> update(const PolicyRow& row);
    [[nodiscard]] Result<void> remove(const PolicyRow& row);

    NetlinkSocket* socket_;
    std::uint32_t own_reqid_;
    std::vector<Result<void>>* outcomes_;
    NetlinkBatch batch_;
    std::vector<Pending> pending_;
};

}  // namespace overlab::real
