#include "models/defect/snapshot_defects.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

namespace overlab {
namespace {

// Keys are matched as the configuration's parser does.
bool same_letters(std::string_view a, std::string_view b) {
    return std::ranges::equal(
        a, b, {}, [](unsigned char c) { return std::tolower(c); },
        [](unsigned char c) { return std::tolower(c); });
}

void erase_key(nlohmann::ordered_json& object, std::string_view name) {
    std::vector<std::string> matching;
    for (const auto& [key, value] : object.items()) {
        if (same_letters(key, name)) matching.push_back(key);
    }
    for (const std::string& key : matching) object.erase(key);
}

std::string without_mtu(const std::string& text) {
    auto config = nlohmann::ordered_json::parse(text, nullptr, false);
    if (!config.is_object()) return text;  // the parser says what is wrong with it
    for (auto& [key, value] : config.items()) {
        if (same_letters(key, "Backend") && value.is_object()) erase_key(value, "MTU");
    }
    return config.dump();
}

}  // namespace

void MalformedEmpties::watch(std::function<void(LeaseUpdate)> update) {
    below().watch([update = std::move(update)](LeaseUpdate told) {
        if (!told.malformed.empty()) {
            told.snapshot = true;
            told.added.clear();
            told.removed.clear();
        }
        update(std::move(told));
    });
}

void SnapshotMissesChanges::watch(std::function<void(LeaseUpdate)> update) {
    below().watch(guard_.wrap([this, update = std::move(update)](LeaseUpdate told) {
        remember(told);
        update(std::move(told));
    }));
}

void SnapshotMissesChanges::remember(LeaseUpdate& update) {
    if (update.snapshot) {
        for (LeasePtr& lease : update.added) {
            const auto known = known_.find(lease->subnet);
            if (known != known_.end()) lease = known->second;
        }
        known_.clear();
    }
    for (const LeaseSubnet& subnet : update.removed) known_.erase(subnet);
    for (const LeasePtr& lease : update.added) known_[lease->subnet] = lease;
}

void NetworkMtuIgnored::config(std::function<void(Result<std::string>)> done) {
    below().config([done = std::move(done)](Result<std::string> text) {
        if (text) text = without_mtu(*text);
        done(std::move(text));
    });
}

}  // namespace overlab
