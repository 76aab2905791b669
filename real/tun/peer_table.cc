#include "real/tun/peer_table.h"

#include <algorithm>

namespace overlab::real {

void PeerTable::put(Ipv4Prefix subnet, Endpoint to) {
    const std::unique_lock lock(mutex_);
    if (const Endpoint* before = peers_.find(subnet)) {
        if (*before == to) return;
        count_sender(*before, -1);
    }
    peers_.put(subnet, to);
    count_sender(to, 1);
    version_.fetch_add(1, std::memory_order_release);
}

void PeerTable::erase(Ipv4Prefix subnet) {
    const std::unique_lock lock(mutex_);
    const Endpoint* before = peers_.find(subnet);
    if (before == nullptr) return;
    count_sender(*before, -1);
    peers_.erase(subnet);
    version_.fetch_add(1, std::memory_order_release);
}

void PeerTable::count_sender(Endpoint peer, int change) {
    const std::uint32_t* before = senders_.find(peer.key());
    const auto now =
        static_cast<std::uint32_t>(static_cast<int>(before != nullptr ? *before : 0) + change);
    if (now == 0) {
        senders_.erase(peer.key());
    } else {
        senders_.put(peer.key(), now);
    }
}

std::vector<std::pair<Ipv4Prefix, Endpoint>> PeerTable::all() const {
    const std::shared_lock lock(mutex_);
    std::vector<std::pair<Ipv4Prefix, Endpoint>> list;
    list.reserve(peers_.size());
    peers_.for_each([&](Ipv4Prefix subnet, const Endpoint& to) { list.emplace_back(subnet, to); });
    std::ranges::sort(list, {}, &std::pair<Ipv4Prefix, Endpoint>::first);
    return list;
}

std::optional<Endpoint> PeerTable::Reader::find(Ipv4Address destination) {
    Answer& answer = answers_[mix64(destination.bits) & (cached_answers - 1)];
    if (answer.version == table_.version_.load(std::memory_order_acquire) &&
        answer.destination == destination) {
        return answer.to;
    }
    const std::shared_lock lock(table_.mutex_);
    const auto match = table_.peers_.match(destination);
    answer = {.version = table_.version_.load(std::memory_order_relaxed),
              .destination = destination,
              .to = match ? std::optional(*match->value) : std::nullopt};
    return answer.to;
}

bool PeerTable::Reader::knows(Endpoint sender) {
    if (sender_version_ == table_.version_.load(std::memory_order_acquire) &&
        last_sender_ == sender) {
        return last_sender_known_;
    }
    const std::shared_lock lock(table_.mutex_);
    sender_version_ = table_.version_.load(std::memory_order_relaxed);
    last_sender_ = sender;
    last_sender_known_ = table_.senders_.find(sender.key()) != nullptr;
    return last_sender_known_;
}

}  // namespace overlab::real
