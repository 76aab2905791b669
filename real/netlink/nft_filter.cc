#include "real/netlink/nft_filter.h"

#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include <string_view>
#include <utility>

#include "real/netlink/attributes.h"
#include "real/netlink/nft_rules.h"

namespace overlab::real {
namespace {

/// The first line of what the packet filter says, without its `Error: `.
std::string_view first_line(std::string_view text) {
    text = text.substr(0, text.find('\n'));
    constexpr std::string_view prefix = "Error: ";
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
    return text.empty() ? "no reason given" : text;
}

std::string list_command() {
    return fmt::format(R"({{"nftables":[{{"list":{{"table":{{"family":"ip","name":"{}"}}}}}}]}})",
                       filter_table);
}

std::string delete_table_command() {
    return fmt::format(R"({{"nftables":[{{"delete":{{"table":{{"family":"ip","name":"{}"}}}}}}]}})",
                       filter_table);
}

}  // namespace

void NftFilter::Free::operator()(nft_ctx* context) const { nft_ctx_free(context); }

NftFilter::NftFilter(const Netns& netns, std::optional<NetlinkSocket> socket)
    : netns_(&netns), socket_(std::move(socket)) {}

Result<NftFilter> NftFilter::open(const Netns& netns) {
    auto socket = NetlinkSocket::open(NETLINK_NETFILTER, &netns);
    if (socket) return NftFilter(netns, std::move(*socket));
    if (socket.error().kind != ErrorKind::unsupported) return std::unexpected(socket.error());
    return NftFilter(netns, std::nullopt);
}

Result<bool> NftFilter::has_table() {
    if (!socket_) return false;
    NetlinkBatch batch;
    nlmsghdr* const message =
        batch.add((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE, 0, sizeof(nfgenmsg));
    NetlinkBatch::family_header<nfgenmsg>(message) = {
        .nfgen_family = AF_INET, .version = NFNETLINK_V0, .res_id = 0};
    put_text(message, NFTA_TABLE_NAME, filter_table);
    bool there = false;
    const Result<void> asked = socket_->query(batch, [&](const nlmsghdr&) { there = true; });
    if (asked) return there;
    if (asked.error().kind == ErrorKind::unavailable) return std::unexpected(asked.error());
    return false;  // not there; or no nftables, which has no table either
}

Result<std::string> NftFilter::run(const std::string& command) {
    if (!socket_) {
        return fail(ErrorKind::unsupported, "this kernel has no nftables");
    }
    // libnftables opens its socket where the calling thread is. It would end the process if there
    // were no netfilter socket to be had; `socket_` shows that there is.
    const NetnsScope there(*netns_);
    if (context_ == nullptr) {
        context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
        if (context_ == nullptr) return fail(ErrorKind::unavailable, "nftables: out of memory");
        nft_ctx_output_set_flags(context_.get(), NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_STATELESS);
        nft_ctx_buffer_output(context_.get());
        nft_ctx_buffer_error(context_.get());
    }
    const int code = nft_run_cmd_from_buffer(context_.get(), command.c_str());
    std::string printed = nft_ctx_get_output_buffer(context_.get());
    const std::string complaint = nft_ctx_get_error_buffer(context_.get());
    if (code == 0) return printed;
    return fail(ErrorKind::unsupported, fmt::format("nftables: {}", first_line(complaint)));
}

Result<void> NftFilter::install(const FilterRow& row) {
    Result<std::string> done = run(install_command(row));
    if (!done) {
        done.error().what = fmt::format("{}: {}", to_string(Row(row)), done.error().what);
        return std::unexpected(done.error());
    }
    return {};
}

Result<void> NftFilter::withdraw(const FilterRow& row) {
    OVERLAB_TRY(const bool there, has_table());
    if (!there) return {};
    Result<std::string> done = run(withdraw_command(row));
    if (done) done = run(list_command());
    // Without a row there is nothing of ours.
    if (done && !has_chains(*done)) done = run(delete_table_command());
    if (done) return {};
    return fail(done.error().kind, fmt::format("{}: {}", to_string(Row(row)), done.error().what));
}

Result<std::vector<FilterRow>> NftFilter::rows() {
    OVERLAB_TRY(const bool there, has_table());
    if (!there) return {};
    OVERLAB_TRY(const std::string listing, run(list_command()));
    return read_table(listing);
}

}  // namespace overlab::real
