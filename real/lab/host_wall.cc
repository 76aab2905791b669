#include "real/lab/host_wall.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nftables/libnftables.h>

#include <memory>
#include <string>
#include <string_view>

namespace overlab::real {
namespace {

constexpr std::string_view table = "table ip overlab-wall";
/// Before connection tracking (-200) and everybody else's rules (-300).
constexpr int first_of_all = -400;

template <typename T>
std::string set_of(const std::vector<T>& elements) {
    std::vector<std::string> texts;
    for (const T& element : elements) texts.push_back(element.to_string());
    return fmt::format("{{ {} }}", fmt::join(texts, ", "));
}

std::string rules(const WallPlan& plan, bool incoming) {
    std::string text;
    const char* far = incoming ? "saddr" : "daddr";
    if (!plan.addresses.empty())
        text += fmt::format("  ip {} {} drop\n", far, set_of(plan.addresses));
    if (!plan.macs.empty() && incoming)
        text += fmt::format("  ether saddr {} drop\n", set_of(plan.macs));
    if (!plan.store.empty()) {
        text += fmt::format("  ip {} {} tcp {} {} drop\n", far, set_of(plan.store),
                            incoming ? "sport" : "dport", plan.store_port);
    }
    return text;
}

std::string chain(const WallPlan& plan, bool incoming) {
    return fmt::format(
        " chain {0} {{\n  type filter hook {0} priority {1}; policy accept;\n{2} }}\n",
        incoming ? "prerouting" : "output", first_of_all, rules(plan, incoming));
}

/// One transaction: naming the table first makes deleting it succeed.
std::string commands(const WallPlan& plan) {
    std::string text = fmt::format("{0}\ndelete {0}\n", table);
    if (plan.open()) return text;
    return text + fmt::format("{} {{\n{}{}}}\n", table, chain(plan, true), chain(plan, false));
}

}  // namespace

Result<void> set_wall(const Netns& host, const WallPlan& plan) {
    const NetnsScope there(host);
    const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context(nft_ctx_new(NFT_CTX_DEFAULT),
                                                               nft_ctx_free);
    if (context == nullptr) return fail(ErrorKind::unavailable, "packet filter: no memory");
    nft_ctx_buffer_output(context.get());
    nft_ctx_buffer_error(context.get());
    if (nft_run_cmd_from_buffer(context.get(), commands(plan).c_str()) == 0) return {};
    std::string_view words = nft_ctx_get_error_buffer(context.get());
    words = words.substr(0, words.find('\n'));
    return fail(ErrorKind::unsupported, fmt::format("packet filter: {}", words));
}

}  // namespace overlab::real
