#include "real/traffic/iperf3_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace overlab::real {
namespace {

using Json = nlohmann::json;

/// The member of that path, or null.
const Json& at(const Json& from, std::initializer_list<const char*> path) {
    static const Json nothing;
    const Json* here = &from;
    for (const char* key : path) {
        const auto found = here->is_object() ? here->find(key) : here->end();
        if (!here->is_object() || found == here->end()) return nothing;
        here = &*found;
    }
    return *here;
}

std::uint64_t count(const Json& value) {
    // iperf3 prints large sums as doubles, and -1 where the kernel told nothing.
    if (!value.is_number() || value.get<double>() <= 0) return 0;
    if (value.is_number_float()) return static_cast<std::uint64_t>(value.get<double>());
    return value.get<std::uint64_t>();
}

std::int64_t nanoseconds_of(const Json& value, double unit_ns) {
    if (!value.is_number()) return 0;
    const double ns = value.get<double>() * unit_ns;
    return std::isfinite(ns) && std::abs(ns) < 1e18 ? std::llround(ns) : 0;
}

constexpr double second_ns = 1e9, millisecond_ns = 1e6;

Iperf3Report::Interval interval_of(const Json& json) {
    const Json& sum = at(json, {"sum"});
    return {.from_ns = nanoseconds_of(at(sum, {"start"}), second_ns),
            .to_ns = nanoseconds_of(at(sum, {"end"}), second_ns),
            .bytes = count(at(sum, {"bytes"}))};
}

/// Counts bytes that arrived evenly within [from_ns, to_ns).
void spread(FlowTally& tally, const MeterSpan& span, const Iperf3Report::Interval& part) {
    const std::int64_t from_ns = part.from_ns, to_ns = std::max(part.to_ns, part.from_ns + 1);
    const auto until = [&](std::int64_t instant_ns) {
        const std::int64_t inside = std::clamp(instant_ns, from_ns, to_ns) - from_ns;
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>(Wide{part.bytes} * static_cast<Wide>(inside) /
                                          static_cast<Wide>(to_ns - from_ns));
    };
    tally.bytes += part.bytes;
    tally.early_bytes += until(span.steady_ns());
    if (span.step_ns <= 0 || from_ns < 0) return;
    const auto first = static_cast<std::size_t>(from_ns / span.step_ns);
    const auto last = static_cast<std::size_t>((to_ns - 1) / span.step_ns);
    tally.series.resize(std::max(tally.series.size(), last + 1));
    for (std::size_t step = first; step <= last; ++step) {
        const auto begin_ns = static_cast<std::int64_t>(step) * span.step_ns;
        tally.series[step] += until(begin_ns + span.step_ns) - until(begin_ns);
    }
}

void count_arrivals(FlowTally& tally, const Iperf3Session& session, const Iperf3Report& receiver) {
    std::uint64_t in_intervals = 0;
    std::int64_t latest_ns = session.begin_ns;
    const auto add = [&](Iperf3Report::Interval part) {
        if (part.bytes == 0) return;
        // What is told past the flow's end arrived before it: the report itself takes a moment.
        part.to_ns = std::min(part.to_ns, session.span.stop_ns);
        part.from_ns = std::min(part.from_ns, part.to_ns - 1);
        if (tally.first_ns < 0) tally.first_ns = part.from_ns;
        tally.last_ns = part.to_ns;
        spread(tally, session.span, part);
    };
    for (const Iperf3Report::Interval& interval : receiver.intervals) {
        // Ended by its client's signal, iperf3 prints the last interval twice.
        if (session.begin_ns + interval.to_ns <= latest_ns) continue;
        latest_ns = session.begin_ns + interval.to_ns;
        add({.from_ns = session.begin_ns + interval.from_ns,
             .to_ns = latest_ns,
             .bytes = interval.bytes});
        in_intervals += interval.bytes;
    }
    // Ended by a signal, iperf3 counts what came after the last whole interval in the sum only.
    if (receiver.bytes_received > in_intervals) {
        add({.from_ns = latest_ns,
             .to_ns = std::max(latest_ns, session.end_ns),
             .bytes = receiver.bytes_received - in_intervals});
    }
}

void count_datagrams(FlowTally& tally, const Iperf3Report& sender, const Iperf3Report& receiver) {
    const std::uint64_t highest = std::max(receiver.packets, receiver.packets_lost);
    tally.received = highest - receiver.packets_lost;
    tally.lost = receiver.packets_lost;
    tally.sent = std::max(sender.packets, highest);
    tally.jitter_ns = receiver.jitter_ns;
}

}  // namespace

Result<Iperf3Report> parse_iperf3(std::string_view text) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object() || !json.contains("start")) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("iperf3: its report ({} bytes) is no JSON report or has no end",
                                text.size()));
    }
    Iperf3Report report;
    if (const Json& error = at(json, {"error"}); error.is_string()) report.error = error;
    for (const Json& interval : at(json, {"intervals"})) {
        report.intervals.push_back(interval_of(interval));
    }
    const Json& end = at(json, {"end"});
    report.bytes_received = count(at(end, {"sum_received", "bytes"}));
    report.retransmits = count(at(end, {"sum_sent", "retransmits"}));
    report.mss_bytes = static_cast<std::uint32_t>(count(at(json, {"start", "tcp_mss_default"})));
    report.packets = count(at(end, {"sum", "packets"}));
    report.packets_lost = count(at(end, {"sum", "lost_packets"}));
    report.jitter_ns = nanoseconds_of(at(end, {"sum", "jitter_ms"}), millisecond_ns);
    report.end_ns = nanoseconds_of(at(end, {"sum_sent", "end"}), second_ns);
    return report;
}

FlowTally tally_session(const Iperf3Session& session, std::string_view client_text,
                        std::string_view server_text) {
    FlowTally tally;
    const auto read = [&](std::string_view end, std::string_view text) {
        Result<Iperf3Report> report = parse_iperf3(text);
        if (report) return std::move(*report);
        tally.remarks.push_back(
            fmt::format("traffic {}: {} of the {}", session.name, report.error().what, end));
        return Iperf3Report{};
    };
    const Iperf3Report sender = read("client", client_text);
    const Iperf3Report receiver = read("server", server_text);
    // The client ends with its test, but before that it must connect: the way back is the exact
    // one.
    Iperf3Session exact = session;
    if (sender.end_ns > 0) {
        exact.begin_ns = std::max(session.begin_ns, session.end_ns - sender.end_ns);
    }
    count_arrivals(tally, exact, receiver);
    tally.retransmits = sender.retransmits;
    tally.mss_bytes = session.udp ? 0 : sender.mss_bytes;
    if (session.udp) count_datagrams(tally, sender, receiver);
    return tally;
}

void count_unseen(FlowTally& tally, std::uint64_t packets_per_s) {
    constexpr std::uint64_t a_moment_ns =
        2'000'000;  // iperf3's own, between its end and its report
    const std::uint64_t seen = tally.received + tally.lost;
    const std::uint64_t unseen = tally.sent - std::min(tally.sent, seen);
    const std::uint64_t delay_ns =
        tally.received == 0 ? 0 : static_cast<std::uint64_t>(tally.latency.max_ns) + a_moment_ns;
    const auto under_way = static_cast<std::uint64_t>(
        std::ceil(static_cast<double>(packets_per_s) * static_cast<double>(delay_ns) / second_ns));
    tally.lost += unseen - std::min(unseen, under_way);
}

}  // namespace overlab::real
