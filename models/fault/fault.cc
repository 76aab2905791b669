#include "models/fault/fault.h"

#include <fmt/format.h>

#include <span>

#include "models/scenario/scenario.h"
#include "models/scenario/units.h"

namespace overlab {
namespace {

using Kind = FaultSpec::Kind;

std::string share_text(std::uint32_t ppb) {
    return fmt::format("{:g} %", static_cast<double>(ppb) / 1e7);
}

/// `loss 5 %, mtu 1400`.
std::string change_text(const LinkChange& change) {
    std::string text;
    const auto add = [&](std::string_view name, const std::string& value) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value);
    };
    if (change.rate_bps)
        add("rate", fmt::format("{:g} Mbit/s", static_cast<double>(*change.rate_bps) / 1e6));
    if (change.delay) add("delay", duration_text(*change.delay));
    if (change.loss_ppb) add("loss", share_text(*change.loss_ppb));
    if (change.mtu) add("mtu", std::to_string(*change.mtu));
    if (change.corrupt_ppb) add("corrupt", share_text(*change.corrupt_ppb));
    if (change.duplicate_ppb) add("duplicate", share_text(*change.duplicate_ppb));
    if (change.reorder_ppb) add("reorder", share_text(*change.reorder_ppb));
    return text;
}

/// `h1`, `h1 and h2`, `h1, h2 and 3 more`.
std::string names_of(std::span<const std::size_t> hosts, const Scenario& scenario) {
    const auto name = [&](std::size_t i) { return scenario.underlay.nodes[hosts[i]].name; };
    if (hosts.empty()) return "nobody";
    if (hosts.size() == 1) return name(0);
    if (hosts.size() == 2) return fmt::format("{} and {}", name(0), name(1));
    return fmt::format("{}, {} and {} more", name(0), name(1), hosts.size() - 2);
}

std::string rows_text(const FaultSpec& fault, const Scenario& scenario) {
    constexpr std::string_view kinds[] = {"link",   "address", "neighbour", "FDB",
                                          "tunnel", "policy",  "route",     ""};
    const std::string_view kind = kinds[static_cast<std::size_t>(fault.rows)];
    std::string text = kind.empty() ? "rows" : fmt::format("{} rows", kind);
    if (fault.peer) text += " towards " + scenario.underlay.nodes[*fault.peer].name;
    return text;
}

std::string skew_text(const FaultSpec& fault) {
    std::string text;
    if (fault.offset > Duration{})
        text = fmt::format(" jumps {} ahead", duration_text(fault.offset));
    if (fault.drift_ppm != 0)
        text += fmt::format("{} runs {} ppm fast", text.empty() ? "" : " and", fault.drift_ppm);
    return text;
}

std::string store_text(const FaultSpec& fault) {
    switch (fault.kind) {
        case Kind::store_leader_loss:
            return "the store has no leader";
        case Kind::store_compaction:
            return "the store forgets its history";
        case Kind::store_write:
            return fmt::format("somebody writes {}", fault.key);
        default:
            return fault.restore_from ? fmt::format("the store goes back to what it held at {}",
                                                    duration_text(*fault.restore_from))
                                      : "the store loses all its data";
    }
}

}  // namespace

std::optional<Duration> healed_at(const FaultSpec& fault, std::size_t nodes) {
    if (is_instant(fault.kind)) return fault.at;
    if (fault.kind == Kind::key_rotation)
        return fault.at + fault.step * static_cast<std::int64_t>(nodes == 0 ? 0 : nodes - 1);
    if (!fault.lasts) return std::nullopt;
    return fault.at + *fault.lasts;
}

std::string describe(const FaultSpec& fault, const Scenario& scenario) {
    const std::string hosts = names_of(fault.hosts, scenario);
    const auto link = [&] { return scenario.underlay.links[fault.link].name; };
    switch (fault.kind) {
        case Kind::link_down:
            return fmt::format("link {} down", link());
        case Kind::link_change:
            return fmt::format("link {}: {}", link(), change_text(fault.change));
        case Kind::partition:
            return fmt::format("{} cut off from the others", hosts);
        case Kind::host_crash:
            return fmt::format("{} powered off", hosts);
        case Kind::host_pause:
            return fmt::format("{} stalled", hosts);
        case Kind::agent_kill:
            return fmt::format("agent of {} killed", hosts);
        case Kind::store_unreachable:
            return fmt::format("store out of reach of {}", hosts);
        case Kind::clock_skew:
            return fmt::format("clock of {}{}", hosts, skew_text(fault));
        case Kind::lease_expiry:
            return fmt::format("lease of {} ends", hosts);
        case Kind::row_delete:
            return fmt::format("{} of {} deleted", rows_text(fault, scenario), hosts);
        case Kind::row_change:
            return fmt::format("{} of {} lead nowhere", rows_text(fault, scenario), hosts);
        case Kind::foreign_route:
            return fmt::format("foreign route {} via {} on {}", fault.destination.to_string(),
                               scenario.underlay.nodes[fault.via].name, hosts);
        case Kind::vtep_mac:
            return fmt::format("VTEP MAC of {} changed by the OS", hosts);
        case Kind::address_change:
            return fmt::format("address of {} becomes {}", hosts, fault.address.to_string());
        case Kind::ike_down:
            return fmt::format("charon of {} killed", hosts);
        case Kind::key_rotation:
            return "new pre-shared key, agents restarted one by one";
        case Kind::store_leader_loss:
        case Kind::store_compaction:
        case Kind::store_data_loss:
        case Kind::store_write:
            return store_text(fault);
    }
    return std::string(to_string(fault.kind));
}

}  // namespace overlab
