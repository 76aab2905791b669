#include "results/walk_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "results/table.h"

namespace overlab {
namespace {

std::string padded(const std::string& text, std::size_t width) {
    return text + std::string(width - std::min(width, display_width(text)), ' ');
}

struct Columns {
    std::size_t number = 1, host = 0, stage = 0, what = 0;
};

Columns columns_of(const Walk& walk) {
    Columns columns;
    columns.number = fmt::format("{}", walk.steps.size()).size();
    for (const WalkStep& step : walk.steps) {
        columns.host = std::max(columns.host, display_width(step.host));
        columns.stage = std::max(columns.stage, display_width(step.stage));
        columns.what = std::max(columns.what, display_width(step.what));
    }
    return columns;
}

std::string size_text(const WalkStep& step) {
    return step.mtu == 0 ? fmt::format("{} B", step.size)
                         : fmt::format("{} B of {}", step.size, step.mtu);
}

}  // namespace

std::string_view explain(Disposition disposition) {
    switch (disposition) {
        case Disposition::delivered:
            return "delivered";
        case Disposition::no_route:
            return "dropped: no route; the sender gets ICMP network unreachable";
        case Disposition::neighbour_unresolved:
            return "dropped: nobody answers for the next hop; the sender gets ICMP host "
                   "unreachable after a while";
        case Disposition::fdb_miss:
            return "dropped: the tunnel device does not know the MAC address";
        case Disposition::tunnel_peer_missing:
            return "dropped: the proxy knows no peer for it; the sender gets ICMP network "
                   "unreachable";
        case Disposition::sa_missing:
            return "dropped: a policy demands ESP and there is no SA yet";
        case Disposition::mtu_exceeded:
            return "dropped: too large for the link and must not be fragmented; the sender gets "
                   "ICMP "
                   "fragmentation needed";
        case Disposition::ttl_expired:
            return "dropped: TTL expired; the sender gets ICMP time exceeded";
        case Disposition::no_listener:
            return "dropped: it reached a host where nothing takes it";
        case Disposition::unreachable_underlay:
            return "dropped: the underlay has no path between the two hosts";
        case Disposition::policy_mismatch:
            return "dropped: it arrived in clear where a policy demands ESP, or in "
                   "ESP where none does";
        case Disposition::loop:
            return "dropped: it went in a circle";
    }
    return "unknown";
}

std::string walk_text(const Walk& walk) {
    const Columns columns = columns_of(walk);
    std::string out;
    std::size_t number = 0;
    for (const WalkStep& step : walk.steps) {
        const std::string head =
            fmt::format("{:>{}}  {}  {}  ", ++number, columns.number,
                        padded(step.host, columns.host), padded(step.stage, columns.stage));
        out += fmt::format("{}{}  {}\n", head, padded(step.what, columns.what), size_text(step));
        if (!step.row.empty())
            out += fmt::format("{}`{}`\n", std::string(display_width(head), ' '), step.row);
    }
    return out + fmt::format("{} (at {})\n", explain(walk.disposition), walk.at);
}

std::string round_trip_text(const Walk& there, const Walk* back) {
    std::string out = walk_text(there);
    if (back != nullptr) out += "\nand back:\n" + walk_text(*back);
    return out;
}

}  // namespace overlab
