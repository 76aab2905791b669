#include "models/crosscheck/expected_outcome.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/net/flow_hash.h"

namespace overlab {
namespace {

constexpr std::uint8_t protocol_udp = 17;

OuterPacket outer_of(const WalkOuter& outer) {
    const std::uint16_t port = outer.bare ? probe_port : outer.destination_port;
    return {.source = outer.source,
            .destination = outer.destination,
            .protocol = outer.protocol,
            .destination_port = port,
            .size = outer.size,
            .dont_fragment = outer.dont_fragment,
            .ttl = outer.ttl,
            .tag = outer.tag};
}

std::string way_of(const Walk& walk) {
    std::string text;
    for (const WalkStep& step : walk.steps) {
        text += fmt::format("{} {}: {}\n", step.host, step.stage, step.what);
    }
    return text;
}

/// The address that a host speaks with to `towards`: that of the interface by which it sends, as
/// icmp_route_lookup() leaves it to the route; of an interface without one, the external one's, as
/// inet_select_addr().
std::optional<Ipv4Address> speaking_address(const ExpectedHost& host, Ipv4Address towards) {
    const auto match = host.tables->route(towards);
    if (!match) return std::nullopt;
    const LinkIndex link = match->entry.link;
    if (host.pod && host.tables->link(link).kind == TableLink::Kind::bridge) {
        return host.pod->bridge();
    }
    if (const auto address = host.tables->row_address(link)) return address;
    return host.tables->link(host.tables->find_link("eth0")).local;
}

struct Report {
    bool arrives = false;
    std::optional<Ipv4Address> from;
};

/// The way back of the ICMP message that ends `walk`.
Report report_of(const PacketWalk& paper, const std::vector<ExpectedHost>& hosts, const Walk& walk,
                 const WalkPacket& packet, std::size_t sender) {
    constexpr std::uint32_t icmp_headers = 28, largest = 576;  // RFC 1812 §4.3.2.3
    const bool by_proxy = walk.icmp->teller == WalkIcmp::Teller::proxy;
    const std::optional<Ipv4Address> from =
        by_proxy ? packet.destination : speaking_address(hosts[walk.at_host], packet.source);
    if (walk.at_host == sender) return {true, from};
    if (!from) return {};  // no way back at all
    WalkPacket report{.source = *from,
                      .destination = packet.source,
                      .size = std::min(packet.size + icmp_headers, largest),
                      .dont_fragment = false};
    report.flow_hash = flow_hash(report.source, report.destination, 1, 0, 0);
    const Walk back = paper.walk_from_host(walk.at_host, report);
    return {back.disposition == Disposition::delivered && back.at_host == sender, from};
}

}  // namespace

ExpectedOutcome expected_outcome(const PacketWalk& paper, const std::vector<ExpectedHost>& hosts,
                                 const ProbePacket& probe) {
    CHECK(probe.host < hosts.size() && hosts[probe.host].pod.has_value());
    WalkPacket packet{.source = hosts[probe.host].pod->address(),
                      .destination = probe.destination,
                      .size = probe.size,
                      .dont_fragment = probe.dont_fragment,
                      .ttl = probe.ttl};
    packet.flow_hash =
        flow_hash(packet.source, packet.destination, protocol_udp, probe_source_port, probe_port);
    const Walk walk = paper.walk_from_pod(probe.host, packet);

    ExpectedOutcome expected{.disposition = walk.disposition, .outcome = {}, .way = way_of(walk)};
    std::ranges::transform(walk.outer, std::back_inserter(expected.outcome.outer), outer_of);
    expected.outer_known = !walk.cut_inside;
    expected.end_known = walk.disposition != Disposition::loop;
    if (walk.first_is_lost) return expected;
    if (walk.disposition == Disposition::delivered) {
        expected.outcome.end = ProbeOutcome::End::delivered;
        return expected;
    }
    if (!walk.icmp) return expected;
    const Report report = report_of(paper, hosts, walk, packet, probe.host);
    if (!report.arrives) return expected;
    expected.outcome.end = ProbeOutcome::End::icmp;
    expected.outcome.icmp_type = walk.icmp->type;
    expected.outcome.icmp_code = walk.icmp->code;
    expected.outcome.icmp_mtu = walk.icmp->mtu;
    expected.outcome.icmp_from = report.from.value_or(Ipv4Address{});
    expected.from_known = report.from.has_value();
    return expected;
}

std::string difference(const ExpectedOutcome& expected, const ProbeOutcome& actual) {
    ProbeOutcome wanted = expected.outcome;
    if (!expected.end_known) {
        if (actual.end != ProbeOutcome::End::delivered) return {};
        return fmt::format("model: not delivered ({}); kernel: {}", to_string(expected.disposition),
                           to_string(actual));
    }
    if (!expected.from_known) wanted.icmp_from = actual.icmp_from;
    if (!expected.outer_known) wanted.outer = actual.outer;
    if (wanted == actual) return {};
    return fmt::format("model: {} ({}); kernel: {}", to_string(wanted),
                       to_string(expected.disposition), to_string(actual));
}

}  // namespace overlab
