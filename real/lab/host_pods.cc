#include "real/lab/host_pods.h"

#include <fmt/format.h>

#include <span>

#include "real/lab/ethtool.h"
#include "real/lab/link_shape.h"
#include "real/lab/port_names.h"
#include "real/lab/traffic_control.h"

namespace overlab::real {
namespace {

/// Locally administered, and beside those that hosts and routers have (02:nn:nn:nn:pp:pp).
constexpr std::uint64_t pod_macs = 0x02ff'0000'0000, bridge_macs = 0x02fe'0000'0000;
constexpr std::uint64_t first_pod_offset = 2;  // .0 is the network, .1 the bridge
constexpr std::uint32_t first_mtu = 1500;      // until a lease tells

std::string host_end(std::size_t n) { return fmt::format("veth{}", n); }

Ipv4Address pod_address_in(Ipv4Prefix subnet, std::size_t n) {
    return subnet.at(first_pod_offset + n);
}

}  // namespace

Result<void> HostPods::make(Links& host) {
    const std::string bridge(pod_bridge);
    if (Result<void> made = host.add_bridge(bridge, first_mtu, {bridge_macs | host_}); !made)
        return made;
    for (std::size_t n = 0; n < pods_.size(); ++n) {
        const VethEnd here{.name = host_end(n), .mac = {}, .mtu = first_mtu};
        const VethEnd there{
            .name = std::string(host_port), .mac = {pod_macs | pods_[n].index}, .mtu = first_mtu};
        if (Result<void> made = host.add_veth(here, there, *pods_[n].netns); !made) return made;
        if (Result<void> done = host.set_master(here.name, bridge); !done) return done;
        if (!shaped_) continue;
        if (Result<void> done = shape_link(host, n); !done) return done;
    }
    return {};
}

Result<void> HostPods::shape_link(Links& host, std::size_t n) {
    OVERLAB_TRY(Links pod, Links::open(*pods_[n].netns));
    for (Links* side : {&host, &pod}) {
        const bool here = side == &host;
        const std::string name = here ? host_end(n) : std::string(host_port);
        Result<void> off = turn_offloads_off(here ? *host_netns_ : *pods_[n].netns, name);
        if (!off) return off;
        OVERLAB_TRY(const std::uint32_t index, side->index_of(name));
        if (Result<void> done = set_shape(side->socket(), index, pod_shape()); !done) return done;
    }
    return {};
}

Result<void> HostPods::move_to(Ipv4Prefix subnet, std::uint32_t mtu) {
    // The last address of a subnet is its broadcast address.
    if (subnet.size() < first_pod_offset + pods_.size() + 1) {
        return fail(
            ErrorKind::invalid_argument,
            fmt::format("host {}: its subnet {} is too small for its {} pods; use a shorter "
                        "SubnetLen",
                        name_, subnet.to_string(), pods_.size()));
    }
    OVERLAB_TRY(Links host, Links::open(*host_netns_));
    const std::string bridge(pod_bridge);
    if (subnet_ && *subnet_ != subnet) {
        Result<void> removed = host.remove_address(bridge, subnet_->at(1), subnet_->length);
        if (!removed) return removed;
    }
    if (Result<void> set = host.set_mtu(bridge, mtu); !set) return set;
    if (Result<void> added = host.add_address(bridge, subnet.at(1), subnet.length); !added)
        return added;
    if (Result<void> up = host.set_up(bridge, true); !up) return up;
    for (std::size_t n = 0; n < pods_.size(); ++n) {
        if (Result<void> moved = move_pod(host, n, subnet, mtu); !moved) return moved;
    }
    subnet_ = subnet;
    // A bridge's line follows those of its ports.
    return pods_.empty() ? Result<void>{} : settle_line(*host_netns_, bridge);
}

Result<void> HostPods::move_pod(Links& host, std::size_t n, Ipv4Prefix subnet, std::uint32_t mtu) {
    OVERLAB_TRY(Links pod, Links::open(*pods_[n].netns));
    const std::string port(host_port);
    if (subnet_ && *subnet_ != subnet) {
        Result<void> removed =
            pod.remove_address(port, pod_address_in(*subnet_, n), subnet_->length);
        if (!removed) return removed;
    }
    for (Links* side : {&host, &pod}) {
        const std::string name = side == &host ? host_end(n) : port;
        if (Result<void> set = side->set_mtu(name, mtu); !set) return set;
        if (Result<void> up = side->set_up(name, true); !up) return up;
    }
    if (Result<void> done = settle_line(*host_netns_, host_end(n)); !done) return done;
    if (Result<void> done = settle_line(*pods_[n].netns, port); !done) return done;
    const Ipv4Address address = pod_address_in(subnet, n);
    if (Result<void> added = pod.add_address(port, address, subnet.length); !added) return added;
    const NextHop hop{.link = port, .gateway = subnet.at(1)};
    return pod.set_route(Ipv4Prefix{}, std::span(&hop, 1));
}

Result<void> HostPods::cut() {
    if (!subnet_) return {};
    OVERLAB_TRY(Links host, Links::open(*host_netns_));
    const std::string bridge(pod_bridge), port(host_port);
    for (std::size_t n = 0; n < pods_.size(); ++n) {
        OVERLAB_TRY(Links pod, Links::open(*pods_[n].netns));
        Result<void> gone = pod.remove_address(port, pod_address_in(*subnet_, n), subnet_->length);
        if (!gone) return gone;
        if (Result<void> down = host.set_up(host_end(n), false); !down) return down;
    }
    const Result<void> gone = host.remove_address(bridge, subnet_->at(1), subnet_->length);
    if (!gone) return gone;
    subnet_.reset();
    return host.set_up(bridge, false);
}

Ipv4Address HostPods::address(std::size_t n) const {
    return subnet_ ? pod_address_in(*subnet_, n) : Ipv4Address{};
}

}  // namespace overlab::real
