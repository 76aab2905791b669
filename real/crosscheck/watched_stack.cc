#include "real/crosscheck/watched_stack.h"

#include <utility>

namespace overlab::real {

Result<std::unique_ptr<WatchedStack>> WatchedStack::open(const Netns& netns, HostFacts facts,
                                                         const std::filesystem::path& key_file) {
    OVERLAB_TRY(std::unique_ptr<UdpTunnel> tunnel, UdpTunnel::create(netns));
    std::unique_ptr<WatchedStack> watched(new WatchedStack(std::move(tunnel)));
    OVERLAB_TRY(watched->stack_, NetlinkStack::open(netns, std::move(facts), watched->tunnel_.get(),
                                                    {.wireguard_key_file = key_file}));
    auto devices = WireguardDevices::open(netns);
    if (!devices && devices.error().kind == ErrorKind::unsupported) return watched;
    if (!devices) return std::unexpected(devices.error());
    watched->wireguard_ = std::move(*devices);
    return watched;
}

std::vector<Result<void>> WatchedStack::apply(std::span<const RowChange> changes) {
    std::vector<Result<void>> outcomes = stack_->apply(changes);
    for (std::size_t i = 0; i < changes.size(); ++i) {
        if (outcomes[i]) note(changes[i]);
    }
    return outcomes;
}

void WatchedStack::note(const RowChange& change) {
    stale_ = stale_ || std::holds_alternative<WireguardPeerRow>(change.row);
    const auto* const link = std::get_if<LinkRow>(&change.row);
    if (link == nullptr) return;
    if (change.action == RowChange::Action::withdraw) {
        if (!device_ || device_->name != link->name) return;
        device_.reset();
        stale_ = true;
    } else if (link->kind == LinkRow::Kind::wireguard) {
        device_ = *link;
        stale_ = true;
    }
}

Result<void> WatchedStack::forget_sessions() {
    stale_ = false;
    forgotten_.clear();
    if (!device_ || !wireguard_) return {};
    auto known = wireguard_->read(device_->name);
    if (!known && known.error().kind == ErrorKind::not_found) return {};
    if (!known) return std::unexpected(known.error());
    // With a peer go its session, the packets that wait for one and the last handshake's time.
    Result<void> gone = change_peers(RowChange::Action::withdraw, known->peers);
    if (gone) forgotten_ = std::move(known->peers);
    return gone;
}

Result<void> WatchedStack::put_peers_back() {
    return change_peers(RowChange::Action::install, std::exchange(forgotten_, {}));
}

Result<void> WatchedStack::change_peers(RowChange::Action action,
                                        const std::vector<WireguardPeerRow>& peers) {
    if (peers.empty()) return {};
    std::vector<RowChange> changes;
    for (const WireguardPeerRow& peer : peers) changes.push_back({action, peer});
    std::vector<const RowChange*> pointers;
    for (const RowChange& change : changes) pointers.push_back(&change);
    for (Result<void>& done : wireguard_->apply(pointers)) {
        if (!done) return std::move(done);
    }
    return {};
}

}  // namespace overlab::real
