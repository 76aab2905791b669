// NftFilter: filter rows as rules of nftables, in a table of our own (`ip overlab`), so that
// nobody's rules are touched and ours go with one command. One chain a row; its first rule's
// comment is the row. A chain whose rules are not just those of its row is not shown, so that
// whoever compares sees that it must be written again.
//
// The rules are flannel's for iptables. Its nftables mode differs in one: there, packets that the
// host sends into the network itself keep their address.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "real/base/netns.h"
#include "real/netlink/netlink_socket.h"

struct nft_ctx;

namespace overlab::real {

class NftFilter {
   public:
    /// `netns` must outlive this. A kernel without nftables is found out by the first row. Errors:
    /// unavailable.
    [[nodiscard]] static Result<NftFilter> open(const Netns& netns);

    /// Writes the whole set, or nothing. Errors: unsupported (the kernel's packet filter refuses
    /// it), with the packet filter's words.
    [[nodiscard]] Result<void> install(const FilterRow& row);
    [[nodiscard]] Result<void> withdraw(const FilterRow& row);  ///< absent: success
    /// Ascending.
    [[nodiscard]] Result<std::vector<FilterRow>> rows();

   private:
    struct Free {
        void operator()(nft_ctx* context) const;
    };

    NftFilter(const Netns& netns, std::optional<NetlinkSocket> socket);
    /// True if our table is there: cheaper to ask than the rules, and nearly always the answer.
    [[nodiscard]] Result<bool> has_table();
    /// What `nft -j` would print.
    [[nodiscard]] Result<std::string> run(const std::string& command);

    const Netns* netns_;
    std::optional<NetlinkSocket> socket_;  ///< empty: this kernel has no nftables
    std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace overlab::real
