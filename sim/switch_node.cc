#include "sim/switch_node.h"

#include <algorithm>

#include "models/net/address.h"
#include "models/net/bytes.h"
#include "models/net/wire.h"

namespace overlab::sim {

SwitchNode::SwitchNode(const UnderlayGraph& graph, NodeIndex self, const FabricDirectory& directory,
                       std::vector<LinkTransmitter*> transmitters)
    : graph_(&graph),
      self_(self),
      salt_(graph.ecmp_salt(self)),
      directory_(&directory),
      transmitters_(std::move(transmitters)),
      flood_links_(graph.flood_links(self)),
      suppress_arp_(on_large_segment()) {}

bool SwitchNode::on_large_segment() const {
    for (const Segment& segment : graph_->segments()) {
        if (std::ranges::binary_search(segment.switches, self_)) {
            return segment.hosts.size() + segment.routers.size() > suppress_arp_above;
        }
    }
    return false;
}

void SwitchNode::receive(FramePtr frame, std::uint32_t port) {
    const std::uint64_t to = load_be48(frame->data());
    if (MacAddress{to}.is_multicast()) {
        broadcast(std::move(frame), port);
        return;
    }
    const std::uint32_t* owner = directory_->node_by_mac.find(to);
    if (owner == nullptr) {
        ++unknown_;
        return;
    }
    to_owner(std::move(frame), *owner);
}

void SwitchNode::to_owner(FramePtr frame, std::uint32_t owner) {
    const Choices& choices = choices_for(owner);
    if (choices.count == 0) {
        ++unknown_;
        return;
    }
    const std::size_t chosen =
        choices.count == 1 ? 0 : ecmp_choice(frame->outer_hash, salt_, choices.count);
    ports_[choices.first + chosen]->send(std::move(frame));
}

void SwitchNode::broadcast(FramePtr frame, std::uint32_t from) {
    const bool is_arp = load_be16(frame->data() + 12) == ether_type::arp;
    if (suppress_arp_ && is_arp) {
        const std::uint32_t target = load_be32(frame->data() + EthernetHeader::bytes + 24);
        if (const std::uint32_t* owner = directory_->node_by_address.find(target)) {
            to_owner(std::move(frame), *owner);
            return;
        }
    }
    for (const LinkId link : flood_links_) {
        if (link != from) transmitters_[link]->send(std::make_unique<Frame>(*frame));
    }
}

const SwitchNode::Choices& SwitchNode::choices_for(std::uint32_t owner) {
    if (by_owner_.size() <= owner) by_owner_.resize(owner + 1);
    Choices& choices = by_owner_[owner];
    if (!choices.known) {
        const std::vector<LinkId> links = graph_->next_links(self_, owner);
        choices = {static_cast<std::uint32_t>(ports_.size()),
                   static_cast<std::uint16_t>(links.size()), true};
        for (const LinkId link : links) ports_.push_back(transmitters_[link]);
    }
    return choices;
}

}  // namespace overlab::sim
