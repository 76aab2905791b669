#include "models/invariant/live_leases.h"

#include <set>
#include <utility>

#include "models/store/lease_keys.h"

namespace overlab {

LiveLeases::LiveLeases(std::string prefix, std::string initial_text, NetworkConfig initial)
    : prefix_(std::move(prefix)),
      subnets_(subnets_prefix(prefix_)),
      config_key_(config_key(prefix_)),
      initial_text_(std::move(initial_text)),
      initial_(std::move(initial)) {}

void LiveLeases::follow(const MvccStore& store, Listener& listener) {
    if (store.revision() == seen_) return;
    const auto log = store.log_since(seen_ + 1);
    if (!log) return catch_up(store, &listener);
    for (const KvEvent& event : *log) {
        if (event.type == KvEvent::Type::put) {
            put(*event.entry, &listener);
        } else {
            remove(event.entry->key, &listener);
        }
    }
    seen_ = store.revision();
}

void LiveLeases::reread(const MvccStore& store) {
    leases_.clear();
    by_address_.clear();
    network_.reset();
    catch_up(store, nullptr);
}

/// History is gone: the store as it is, against what is known.
void LiveLeases::catch_up(const MvccStore& store, Listener* listener) {
    seen_ = store.revision();
    const auto range = store.range_at(prefix_, seen_);
    if (!range) return;
    std::set<std::string, std::less<>> gone;
    for (const auto& [key, lease] : leases_) gone.insert(key);
    bool configured = false;
    for (const KeyValuePtr& entry : range->entries) {
        configured = configured || entry->key == config_key_;
        const auto known = leases_.find(entry->key);
        if (known != leases_.end()) {
            // One that was deleted and made again meanwhile is another lease.
            if (known->second.created != entry->create_revision) remove(entry->key, listener);
            gone.erase(entry->key);
            if (known->second.written == entry->mod_revision) continue;
        }
        put(*entry, listener);
    }
    for (const std::string& key : gone) remove(key, listener);
    if (!configured) network_.reset();
}

void LiveLeases::put(const KeyValue& entry, Listener* listener) {
    if (entry.key == config_key_) return use_config(entry.value);
    if (!entry.key.starts_with(subnets_)) return;
    const auto subnet = parse_lease_key(lease_key_part(entry.key));
    if (!subnet) return;
    LiveLease now{.subnet = *subnet,
                  .attributes = std::nullopt,
                  .kv_lease = entry.lease,
                  .created = entry.create_revision,
                  .written = entry.mod_revision,
                  .value = entry.value};
    if (auto attributes = parse_lease_value(entry.value)) now.attributes = std::move(*attributes);

    const auto [place, is_new] = leases_.try_emplace(entry.key);
    if (!is_new) forget_address(entry.key, place->second);
    const LiveLease before = std::exchange(place->second, std::move(now));
    if (place->second.attributes) {
        by_address_.emplace(place->second.attributes->public_ip, entry.key);
    }
    if (listener != nullptr) {
        listener->lease_put(entry.key, is_new ? nullptr : &before, place->second);
    }
}

void LiveLeases::remove(const std::string& key, Listener* listener) {
    if (key == config_key_) network_.reset();
    const auto node = leases_.extract(key);
    if (node.empty()) return;
    forget_address(key, node.mapped());
    if (listener != nullptr) listener->lease_gone(key, node.mapped());
}

void LiveLeases::forget_address(const std::string& key, const LiveLease& lease) {
    if (!lease.attributes) return;
    const auto [first, last] = by_address_.equal_range(lease.attributes->public_ip);
    for (auto it = first; it != last; ++it) {
        if (it->second != key) continue;
        by_address_.erase(it);
        return;
    }
}

void LiveLeases::use_config(const std::string& text) {
    if (text == initial_text_) {
        network_ = initial_;
        return;
    }
    ParsedNetworkConfig parsed = parse_network_config(text);
    network_.reset();
    if (parsed.problems.empty()) network_ = std::move(parsed.config);
}

}  // namespace overlab
