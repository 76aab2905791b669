#include "real/crosscheck/host_space.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <span>
#include <utility>

#include "models/base/check.h"
#include "models/base/rng.h"
#include "real/lab/ethtool.h"
#include "real/lab/port_names.h"

namespace overlab::real {
namespace {

const std::string external(host_port), bridge(pod_bridge), pod_port(host_port), pod_end = "veth0";

constexpr std::uint64_t host_macs = 0x0200'0000'0100, pod_macs = 0x02ff'0000'0000,
                        bridge_macs = 0x02fe'0000'0000;
constexpr std::uint32_t first_mtu = 1500;

MacAddress mac_of(std::uint64_t kind, std::size_t index) { return {kind + index}; }

/// The same key in every run: keys are in rows, and rows in what is shown of a mismatch.
Result<void> write_fixed_key(const std::filesystem::path& file, std::size_t index) {
    Rng rng = Rng::stream(0, fmt::format("wireguard/{}", index));
    WireguardKey key;
    for (std::uint8_t& byte : key.bytes) byte = static_cast<std::uint8_t>(rng.below(256));
    // Curve25519's bits that every private key has so (RFC 7748 §5).
    key.bytes[0] &= 0xf8;
    key.bytes[31] = (key.bytes[31] & 0x7f) | 0x40;
    std::ofstream out(file);
    out << key.to_string() << '\n';
    out.close();
    std::error_code failed;
    if (out) {
        std::filesystem::permissions(
            file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, failed);
    }
    if (out && !failed) return {};
    return fail(ErrorKind::unavailable, fmt::format("{}: cannot be written", file.string()));
}

}  // namespace

std::string HostSpace::port_name(std::size_t index) { return fmt::format("h{}", index); }

Result<std::unique_ptr<HostSpace>> HostSpace::make(std::size_t index, Space& switches,
                                                   const std::filesystem::path& key_folder) {
    std::unique_ptr<HostSpace> space(new HostSpace(index));
    OVERLAB_TRY(space->host_, Space::make(true));
    OVERLAB_TRY(space->pod_, Space::make(false));
    if (Result<void> done = space->connect(switches); !done) return std::unexpected(done.error());
    if (Result<void> done = space->make_pod(); !done) return std::unexpected(done.error());
    OVERLAB_TRY(space->sniffer_, OuterSniffer::open(space->host_->netns(), external));
    OVERLAB_TRY(space->probes_, ProbeSocket::open(space->pod_->netns()));
    space->ike_.emplace(space->host_->netns());
    space->key_file_ = key_folder / fmt::format("wireguard-{}.key", index);
    if (Result<void> done = write_fixed_key(space->key_file_, index); !done)
        return std::unexpected(done.error());
    return space;
}

Result<void> HostSpace::connect(Space& switches) {
    const VethEnd here{.name = external, .mac = mac_of(host_macs, index_), .mtu = first_mtu};
    const VethEnd there{.name = port_name(index_), .mac = {}, .mtu = first_mtu};
    Result<void> done = host_->links().add_veth(here, there, switches.netns());
    if (done) done = switches.raise(there.name);
    if (done) done = host_->raise(external);
    if (done) done = settle_line(switches.netns(), there.name);
    if (done) done = settle_line(host_->netns(), external);
    return done;
}

Result<void> HostSpace::make_pod() {
    const VethEnd here{.name = pod_end, .mac = {}, .mtu = first_mtu};
    const VethEnd there{.name = pod_port, .mac = mac_of(pod_macs, index_), .mtu = first_mtu};
    Links& links = host_->links();
    Result<void> done = links.add_bridge(bridge, first_mtu, mac_of(bridge_macs, index_));
    if (done) done = links.add_veth(here, there, pod_->netns());
    if (done) done = links.set_master(pod_end, bridge);
    if (done) done = host_->raise(pod_end);
    if (done) done = host_->raise(bridge);
    if (done) done = pod_->raise(pod_port);
    if (done) done = settle_line(host_->netns(), pod_end);
    if (done) done = settle_line(pod_->netns(), pod_port);
    if (done) done = settle_line(host_->netns(), bridge);
    return done;
}

// ---- the underlay ----

Result<void> HostSpace::take(const Seat& seat) {
    if (seat_ == seat) return {};
    if (Result<void> left = leave(); !left) return left;
    Links& links = host_->links();
    Result<void> done = links.set_mtu(external, seat.mtu);
    if (done) done = links.add_address(external, seat.address, seat.subnet.length);
    const NextHop hop{.link = external, .gateway = seat.router};
    if (done) done = links.set_route(Ipv4Prefix{}, std::span(&hop, 1));
    if (!done) return done;
    seat_ = seat;
    const HostFacts facts{.name = seat.name,
                          .external_link = external,
                          .external_address = seat.address,
                          .external_mtu = seat.mtu,
                          .wireguard_public_key = {}};
    OVERLAB_TRY(stack_, WatchedStack::open(host_->netns(), facts, key_file_));
    return {};
}

Result<void> HostSpace::leave() {
    if (!seat_) return {};
    stack_.reset();
    const Seat before = *std::exchange(seat_, std::nullopt);
    return host_->links().remove_address(external, before.address, before.subnet.length);
}

// ---- rows ----

Result<void> HostSpace::clear() {
    if (Result<void> gone = ike_->unload_all(); !gone) return gone;
    if (Result<void> gone = withdraw_rows(); !gone) return gone;
    if (Result<void> gone = remove_pod_addresses(); !gone) return gone;
    Result<void> done = host_->forget_neighbours(external, mac_of(host_macs, index_));
    if (done) done = host_->forget_neighbours(bridge, mac_of(bridge_macs, index_));
    if (done) done = pod_->forget_neighbours(pod_port, mac_of(pod_macs, index_));
    return done;
}

Result<void> HostSpace::withdraw_rows() {
    if (!stack_) return {};
    OVERLAB_TRY(const ForwardingState left, stack_->dump());
    if (left.rows().empty()) return {};
    for (Result<void>& done : stack_->apply(diff({}, left))) {
        if (!done) return std::move(done);
    }
    return {};
}

WatchedStack& HostSpace::stack() {
    CHECK(stack_ != nullptr);
    return *stack_;
}

// ---- the pod ----

Result<void> HostSpace::remove_pod_addresses() {
    if (!pod_setting_) return {};
    const Ipv4Prefix subnet = pod_setting_->subnet;
    pod_setting_.reset();
    Result<void> gone = host_->links().remove_address(bridge, subnet.at(1), subnet.length);
    // The default route goes with it.
    if (gone) gone = pod_->links().remove_address(pod_port, subnet.at(2), subnet.length);
    return gone;
}

Result<void> HostSpace::set_pod_mtu(std::uint32_t mtu) {
    if (pod_mtu_ == mtu) return {};
    Result<void> done = host_->links().set_mtu(bridge, mtu);
    if (done) done = host_->links().set_mtu(pod_end, mtu);
    if (done) done = pod_->links().set_mtu(pod_port, mtu);
    if (done) pod_mtu_ = mtu;
    return done;
}

Result<void> HostSpace::set_pod(Ipv4Prefix subnet, std::uint32_t mtu) {
    CHECK(subnet.size() >= 4);
    const PodSetting setting{.subnet = subnet, .mtu = mtu};
    if (pod_setting_ == setting) return {};
    if (Result<void> done = remove_pod_addresses(); !done) return done;
    if (Result<void> done = set_pod_mtu(mtu); !done) return done;
    Result<void> done = host_->links().add_address(bridge, subnet.at(1), subnet.length);
    if (done) done = pod_->links().add_address(pod_port, subnet.at(2), subnet.length);
    const NextHop hop{.link = pod_port, .gateway = subnet.at(1)};
    if (done) done = pod_->links().set_route(Ipv4Prefix{}, std::span(&hop, 1));
    if (done) pod_setting_ = setting;
    return done;
}

std::optional<Ipv4Address> HostSpace::pod_address() const {
    return pod_setting_ ? std::optional(pod_setting_->subnet.at(2)) : std::nullopt;
}

void HostSpace::forget_paths() {
    host_->forget_paths();
    pod_->forget_paths();
}

}  // namespace overlab::real
