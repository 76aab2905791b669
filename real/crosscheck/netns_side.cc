#include "real/crosscheck/netns_side.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "models/base/check.h"
#include "models/net/wire.h"
#include "real/base/event_loop.h"
#include "real/crosscheck/host_space.h"
#include "real/crosscheck/underlay_space.h"

namespace overlab::real {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

/// The kernel sends one source five messages about failed routes at once, then one a second
/// (ip_error()); no namespace can set that otherwise.
constexpr int route_error_pause_ms = 1000;

/// Long enough for a handshake, and for another one to be taken after it: WireGuard takes them no
/// closer together than 20 ms (INITIATIONS_PER_SECOND).
constexpr int handshake_pause_ms = 25;

void pause_ms(int duration) { (void)::poll(nullptr, 0, duration); }

bool is_route_error(const ProbeOutcome& outcome) {
    return outcome.end == ProbeOutcome::End::icmp &&
           outcome.icmp_type == Icmpv4Header::destination_unreachable &&
           outcome.icmp_code != Icmpv4Header::fragmentation_needed;
}

class NetnsSide final : public KernelSide {
   public:
    NetnsSide(NetnsSideOptions options, UnderlaySpace underlay)
        : options_(std::move(options)), underlay_(std::move(underlay)) {}

    Result<void> reset(const CrossLayout& layout) override;
    HostStack& stack(std::size_t host) override { return at(host).stack(); }
    IkeDaemon& ike(std::size_t host) override { return at(host).ike(); }
    Result<void> set_pod(std::size_t host, Ipv4Prefix subnet, std::uint32_t mtu) override {
        return at(host).set_pod(subnet, mtu);
    }
    Result<void> meddle(std::size_t host, const RowChange& change) override {
        return std::move(at(host).stack().apply(std::span(&change, 1)).front());
    }
    Result<ProbeOutcome> probe(const ProbePacket& packet) override;

   private:
    [[nodiscard]] HostSpace& at(std::size_t host) {
        CHECK(host < layout_.hosts.size());
        return *hosts_[host];
    }
    [[nodiscard]] Result<void> arrange(const CrossLayout& layout);
    [[nodiscard]] Result<void> forget();
    [[nodiscard]] Result<void> forget_sessions();
    [[nodiscard]] ProbeOutcome await(HostSpace& sender, std::uint64_t number);
    [[nodiscard]] std::optional<ProbeOutcome> look(HostSpace& sender, std::uint64_t number,
                                                   std::span<const pollfd> receivers);
    [[nodiscard]] Duration silence() const;

    NetnsSideOptions options_;
    UnderlaySpace underlay_;
    std::vector<std::unique_ptr<HostSpace>> hosts_;
    CrossLayout layout_;
    std::uint64_t probes_ = 0;
    bool pause_before_probe_ = false, last_was_delivered_ = true;
};

// ---- layouts ----

Result<void> check(const CrossLayout& layout) {
    CHECK(!layout.segments.empty());
    for (const CrossHost& host : layout.hosts) CHECK(host.segment < layout.segments.size());
    if (layout.hosts.size() <= most_cross_hosts && layout.segments.size() <= most_cross_segments)
        return {};
    return fail(ErrorKind::unsupported,
                fmt::format("crosscheck: {} hosts on {} segments: no more than {} on {} are done",
                            layout.hosts.size(), layout.segments.size(), most_cross_hosts,
                            most_cross_segments));
}

Result<void> NetnsSide::reset(const CrossLayout& layout) {
    if (Result<void> checked = check(layout); !checked) return checked;
    for (std::size_t i = 0; i < layout_.hosts.size(); ++i) {
        if (Result<void> done = hosts_[i]->clear(); !done) return done;
    }
    if (layout == layout_) return {};
    return arrange(layout);
}

Result<void> NetnsSide::arrange(const CrossLayout& layout) {
    while (hosts_.size() < layout.hosts.size()) {
        OVERLAB_TRY(std::unique_ptr<HostSpace> made,
                    HostSpace::make(hosts_.size(), underlay_.switches(), options_.key_folder));
        hosts_.push_back(std::move(made));
    }
    if (Result<void> done = underlay_.arrange(layout.segments); !done) return done;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (i >= layout.hosts.size()) {
            if (Result<void> done = hosts_[i]->leave(); !done) return done;
            continue;
        }
        const CrossHost& host = layout.hosts[i];
        const CrossSegment& segment = layout.segments[host.segment];
        Result<void> done = underlay_.attach(HostSpace::port_name(i), host.segment);
        if (done) {
            done = hosts_[i]->take({.name = host.name,
                                    .subnet = segment.subnet,
                                    .address = host.address,
                                    .router = router_on(segment),
                                    .mtu = segment.mtu});
        }
        if (!done) return done;
    }
    layout_ = layout;
    return underlay_.forget_neighbours();
}

// ---- probes ----

Result<ProbeOutcome> NetnsSide::probe(const ProbePacket& packet) {
    HostSpace& sender = at(packet.host);
    const std::optional<Ipv4Address> from = sender.pod_address();
    if (!from) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("probe: host {} has no pod", layout_.hosts[packet.host].name));
    }
    if (Result<void> done = forget(); !done) return std::unexpected(done.error());
    (void)sender.sniffer().take();  // what others sent over this host
    sender.probes().drain();
    const std::uint64_t number = ++probes_;
    OVERLAB_TRY(std::optional<ProbeOutcome> refused, sender.probes().send(packet, number));
    if (refused) {
        refused->icmp_from = *from;
        return *refused;
    }
    ProbeOutcome outcome = await(sender, number);
    pause_before_probe_ = is_route_error(outcome);
    last_was_delivered_ = outcome.end == ProbeOutcome::End::delivered;
    outcome.outer = sender.sniffer().take();
    return outcome;
}

Result<void> NetnsSide::forget() {
    if (std::exchange(pause_before_probe_, false)) pause_ms(route_error_pause_ms);
    for (std::size_t i = 0; i < layout_.hosts.size(); ++i) hosts_[i]->forget_paths();
    return forget_sessions();
}

/// Where a peer was changed since the last probe, or that one may still wait for a session.
Result<void> NetnsSide::forget_sessions() {
    const auto used = std::span(hosts_).first(layout_.hosts.size());
    const bool changed = std::ranges::any_of(
        used, [](const auto& host) { return host->stack().sessions_are_stale(); });
    if (!changed && last_was_delivered_) return {};
    for (const auto& host : used) {
        if (Result<void> done = host->stack().forget_sessions(); !done) return done;
    }
    // One host after the other: two ends that ask each other for a session at once (peers with a
    // keepalive ask as they are put in) may both end without one.
    for (const auto& host : used) {
        if (!host->stack().has_forgotten()) continue;
        if (Result<void> done = host->stack().put_peers_back(); !done) return done;
        pause_ms(handshake_pause_ms);
    }
    return {};
}

Duration NetnsSide::silence() const {
    const auto used = std::span(hosts_).first(layout_.hosts.size());
    const bool wireguard = std::ranges::any_of(
        used, [](const auto& host) { return host->stack().has_wireguard_device(); });
    return wireguard ? options_.wireguard_silence : options_.silence;
}

ProbeOutcome NetnsSide::await(HostSpace& sender, std::uint64_t number) {
    std::vector<pollfd> watched{
        {.fd = sender.probes().sender_fd(), .events = POLLERR, .revents = 0}};
    for (std::size_t i = 0; i < layout_.hosts.size(); ++i)
        watched.push_back(
            {.fd = hosts_[i]->probes().receiver_fd(), .events = POLLIN, .revents = 0});
    const std::int64_t deadline = EventLoop::monotonic_ns() + silence().ns;
    for (;;) {
        const std::int64_t left_ns = deadline - EventLoop::monotonic_ns();
        if (left_ns <= 0) return {};
        const int wait_ms = static_cast<int>((left_ns + ns_per_ms - 1) / ns_per_ms);
        if (::poll(watched.data(), watched.size(), wait_ms) <= 0) continue;
        const std::span<const pollfd> receivers = std::span(watched).subspan(1);
        if (const auto outcome = look(sender, number, receivers)) return *outcome;
    }
}

std::optional<ProbeOutcome> NetnsSide::look(HostSpace& sender, std::uint64_t number,
                                            std::span<const pollfd> receivers) {
    for (std::size_t i = 0; i < receivers.size(); ++i) {
        if (receivers[i].revents != 0 && hosts_[i]->probes().read_arrival(number))
            return ProbeOutcome{.end = ProbeOutcome::End::delivered};
    }
    return sender.probes().read_answer(number);
}

}  // namespace

Result<std::unique_ptr<KernelSide>> make_netns_side(NetnsSideOptions options) {
    OVERLAB_TRY(UnderlaySpace underlay, UnderlaySpace::make());
    return std::make_unique<NetnsSide>(std::move(options), std::move(underlay));
}

}  // namespace overlab::real
