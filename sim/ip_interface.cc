#include "sim/ip_interface.h"

#include <algorithm>

#include "models/net/bytes.h"
#include "models/net/wire.h"

namespace overlab::sim {
namespace {

constexpr std::size_t ethernet_bytes = 14;
constexpr std::uint16_t ether_type_ipv4 = 0x0800, ether_type_arp = 0x0806;

void push_ethernet(Frame& frame, MacAddress to, MacAddress from, std::uint16_t type) {
    std::uint8_t* header = frame.prepend(ethernet_bytes);
    store_be48(header, to.bits);
    store_be48(header + 6, from.bits);
    store_be16(header + 12, type);
    frame.has_ethernet = true;
}

}  // namespace

/// One next hop being asked for; it is its own retry timer.
struct IpInterface::Resolution final : Action {
    Resolution(IpInterface& interface, Ipv4Address asked) : owner(&interface), address(asked) {}
    void fire() override {
        if (owner == nullptr) {
            delete this;
        } else {
            owner->request(*this);
        }
    }
    void discard() override {
        if (owner != nullptr) std::erase(owner->resolutions_, this);
        delete this;
    }

    IpInterface* owner;  ///< null: done, free at the next firing
    Ipv4Address address;
    unsigned requests = 0;
    std::vector<FramePtr> waiting;
};

IpInterface::IpInterface(Engine& engine, const Identity& identity, LinkTransmitter& link,
                         Unreachable unreachable)
    : engine_(&engine), identity_(identity), link_(&link), unreachable_(std::move(unreachable)) {}

IpInterface::~IpInterface() {
    for (Resolution* resolution : resolutions_) resolution->owner = nullptr;
}

void IpInterface::forget_all() {
    for (Resolution* resolution : resolutions_) {
        resolution->owner = nullptr;
        resolution->waiting.clear();
    }
    resolutions_.clear();
    neighbours_.clear();
}

void IpInterface::output(FramePtr packet, Ipv4Address next_hop) {
    if (const MacAddress* mac = neighbours_.find(next_hop.bits)) {
        frame_and_send(std::move(packet), *mac);
    } else {
        wait_for(std::move(packet), next_hop);
    }
}

void IpInterface::frame_and_send(FramePtr packet, MacAddress to) {
    push_ethernet(*packet, to, identity_.mac, ether_type_ipv4);
    link_->send(std::move(packet));
}

void IpInterface::wait_for(FramePtr packet, Ipv4Address next_hop) {
    if (Resolution* pending = find_resolution(next_hop)) {
        if (pending->waiting.size() < max_waiting) pending->waiting.push_back(std::move(packet));
        return;
    }
    auto* resolution = new Resolution(*this, next_hop);
    resolution->waiting.push_back(std::move(packet));
    resolutions_.push_back(resolution);
    request(*resolution);
}

void IpInterface::request(Resolution& resolution) {
    if (resolution.requests == max_requests) {
        std::vector<FramePtr> lost = std::move(resolution.waiting);
        std::erase(resolutions_, &resolution);
        delete &resolution;
        for (FramePtr& packet : lost) unreachable_(std::move(packet));
        return;
    }
    ++resolution.requests;
    engine_->schedule(engine_->now_ns() + request_interval_ns, resolution);
    send_arp(ArpPacket::request, MacAddress::broadcast(), resolution.address);
}

void IpInterface::send_arp(std::uint16_t operation, MacAddress to, Ipv4Address target) {
    auto frame = std::make_unique<Frame>();
    const ArpPacket arp{.operation = operation,
                        .sender_mac = identity_.mac,
                        .sender_ip = identity_.address,
                        .target_mac = operation == ArpPacket::request ? MacAddress{} : to,
                        .target_ip = target};
    arp.encode({frame->prepend(ArpPacket::bytes), ArpPacket::bytes});
    push_ethernet(*frame, to, identity_.mac, ether_type_arp);
    link_->send(std::move(frame));
}

bool IpInterface::accepts(const Frame& frame) const {
    const std::uint64_t to = load_be48(frame.data());
    return to == identity_.mac.bits || to == MacAddress::broadcast().bits;
}

void IpInterface::receive_arp(const Frame& frame) {
    const auto arp = ArpPacket::decode({frame.data() + ethernet_bytes, ArpPacket::bytes});
    if (!arp || arp->target_ip != identity_.address) {
        // A broadcast for somebody else refreshes what we know, but adds nothing (arp_process()).
        if (arp && neighbours_.find(arp->sender_ip.bits) != nullptr) {
            learned(arp->sender_ip, arp->sender_mac);
        }
        return;
    }
    learned(arp->sender_ip, arp->sender_mac);
    if (arp->operation == ArpPacket::request) {
        send_arp(ArpPacket::reply, arp->sender_mac, arp->sender_ip);
    }
}

void IpInterface::learned(Ipv4Address address, MacAddress mac) {
    neighbours_.put(address.bits, mac);
    Resolution* resolution = find_resolution(address);
    if (resolution == nullptr) return;
    std::vector<FramePtr> waiting = std::move(resolution->waiting);
    forget(resolution);
    for (FramePtr& packet : waiting) frame_and_send(std::move(packet), mac);
}

IpInterface::Resolution* IpInterface::find_resolution(Ipv4Address address) {
    const auto found =
        std::ranges::find(resolutions_, address, [](const Resolution* r) { return r->address; });
    return found == resolutions_.end() ? nullptr : *found;
}

void IpInterface::forget(Resolution* resolution) {
    std::erase(resolutions_, resolution);
    resolution->owner = nullptr;
}

}  // namespace overlab::sim
