#include "real/crosscheck/underlay_space.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "models/base/check.h"
#include "real/lab/ethtool.h"

namespace overlab::real {
namespace {

constexpr std::uint64_t router_macs = 0x0200'0000'1000;
constexpr std::uint32_t first_mtu = 1500;

MacAddress mac_of(std::size_t segment) { return {router_macs + segment}; }
std::string bridge_of(std::size_t segment) { return fmt::format("b{}", segment); }
std::string port_of(std::size_t segment) { return fmt::format("r{}", segment); }
std::string router_port(std::size_t segment) { return fmt::format("s{}", segment); }

}  // namespace

Ipv4Address router_on(const CrossSegment& segment) {
    CHECK(segment.subnet.size() >= 4);
    return segment.subnet.at(segment.subnet.size() - 2);
}

Result<UnderlaySpace> UnderlaySpace::make() {
    OVERLAB_TRY(std::unique_ptr<Space> switches, Space::make(false));
    OVERLAB_TRY(std::unique_ptr<Space> router, Space::make(true));
    return UnderlaySpace(std::move(switches), std::move(router));
}

Result<void> UnderlaySpace::add_segment(std::size_t index) {
    const std::string bridge = bridge_of(index);
    const VethEnd here{.name = port_of(index), .mac = {}, .mtu = first_mtu};
    const VethEnd there{.name = router_port(index), .mac = mac_of(index), .mtu = first_mtu};
    Links& links = switches_->links();
    Result<void> done = links.add_bridge(bridge, first_mtu);
    if (done) done = links.add_veth(here, there, router_->netns());
    if (done) done = links.set_master(here.name, bridge);
    if (done) done = switches_->raise(here.name);
    if (done) done = router_->raise(there.name);
    if (done) done = switches_->raise(bridge);
    if (done) done = settle_line(switches_->netns(), here.name);
    if (done) done = settle_line(router_->netns(), there.name);
    if (done) done = settle_line(switches_->netns(), bridge);
    if (done) segments_.emplace_back();
    return done;
}

Result<void> UnderlaySpace::arrange(const std::vector<CrossSegment>& segments) {
    while (segments_.size() < segments.size()) {
        if (Result<void> added = add_segment(segments_.size()); !added) return added;
    }
    // All old addresses go before the first new one comes: a subnet may have moved.
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        if (i < segments.size() && segments_[i].setting == segments[i]) continue;
        if (Result<void> done = release(i); !done) return done;
    }
    for (std::size_t i = 0; i < segments.size(); ++i) {
        if (Result<void> done = configure(i, segments[i]); !done) return done;
    }
    return {};
}

Result<void> UnderlaySpace::release(std::size_t index) {
    Segment& segment = segments_[index];
    if (!std::exchange(segment.in_use, false)) return {};
    return router_->links().remove_address(router_port(index), router_on(segment.setting),
                                           segment.setting.subnet.length);
}

Result<void> UnderlaySpace::configure(std::size_t index, const CrossSegment& setting) {
    Segment& segment = segments_[index];
    if (segment.in_use) return {};
    Result<void> done = switches_->links().set_mtu(bridge_of(index), setting.mtu);
    if (done) done = switches_->links().set_mtu(port_of(index), setting.mtu);
    if (done) done = router_->links().set_mtu(router_port(index), setting.mtu);
    if (done) {
        done = router_->links().add_address(router_port(index), router_on(setting),
                                            setting.subnet.length);
    }
    segment = {.setting = setting, .in_use = true};
    return done;
}

Result<void> UnderlaySpace::attach(const std::string& port, std::size_t segment) {
    Result<void> done = switches_->links().set_mtu(port, segments_[segment].setting.mtu);
    if (done) done = switches_->links().set_master(port, bridge_of(segment));
    return done;
}

Result<void> UnderlaySpace::forget_neighbours() {
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        if (Result<void> done = router_->forget_neighbours(router_port(i), mac_of(i)); !done)
            return done;
    }
    return {};
}

}  // namespace overlab::real
