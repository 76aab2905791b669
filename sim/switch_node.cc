#include "sim/switch_node.h"

#include "models/net/address.h"
#include "models/net/bytes.h"

namespace overlab::sim {

SwitchNode::SwitchNode(const UnderlayGraph& graph, NodeIndex self, const MacOwners& owners,
                       std::vector<LinkTransmitter*> transmitters)
    : graph_(&graph),
      self_(self),
      salt_(graph.ecmp_salt(self)),
      owners_(&owners),
      transmitters_(std::move(transmitters)),
      flood_links_(graph.flood_links(self)) {}

void SwitchNode::receive(FramePtr frame, std::uint32_t port) {
    const std::uint64_t to = load_be48(frame->data());
    if (MacAddress{to}.is_multicast()) {
        flood(std::move(frame), port);
        return;
    }
    const std::uint32_t* owner = owners_->find(to);
    if (owner == nullptr) {
        ++unknown_;
        return;
    }
    const Choices& choices = choices_for(*owner);
    if (choices.count == 0) {
        ++unknown_;
        return;
    }
    const std::size_t chosen =
        choices.count == 1 ? 0 : ecmp_choice(frame->outer_hash, salt_, choices.count);
    ports_[choices.first + chosen]->send(std::move(frame));
}

void SwitchNode::flood(FramePtr frame, std::uint32_t from) {
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
