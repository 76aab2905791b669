// LiveLeases: what the store holds of leases and configuration, followed change by change, so that
// a change costs what changed. Who wants to know what a change means listens.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "models/lease/lease.h"
#include "models/lease/network_config.h"
#include "models/store/mvcc_store.h"

namespace overlab {

/// One key under `subnets/` whose name is a lease's.
struct LiveLease {
    LeaseSubnet subnet;
    std::optional<LeaseAttributes> attributes;  ///< absent: the value is no lease's
    KvLeaseId kv_lease;
    Revision created = 0, written = 0;
    std::string value;
};

class LiveLeases {
   public:
    class Listener {
       public:
        virtual ~Listener() = default;
        /// `before` is null for a new key.
        virtual void lease_put(const std::string& key, const LiveLease* before,
                               const LiveLease& now) = 0;
        virtual void lease_gone(const std::string& key, const LiveLease& before) = 0;
    };

    /// `prefix` without a '/' at its end. `initial` is the configuration that is expected, so that
    /// it need not be parsed again.
    LiveLeases(std::string prefix, std::string initial_text, NetworkConfig initial);

    /// Reads what happened since the last time.
    void follow(const MvccStore& store, Listener& listener);
    /// Forgets everything and reads the store as it is, telling nobody.
    void reread(const MvccStore& store);

    [[nodiscard]] const std::map<std::string, LiveLease>& all() const { return leases_; }
    /// Null: none is in the store, or it cannot be read.
    [[nodiscard]] const NetworkConfig* network() const { return network_ ? &*network_ : nullptr; }
    [[nodiscard]] const std::string& prefix() const { return prefix_; }

    template <typename Visit>  ///< key, lease
    void for_each_of(Ipv4Address public_ip, Visit visit) const {
        const auto [first, last] = by_address_.equal_range(public_ip);
        for (auto it = first; it != last; ++it) visit(it->second, leases_.at(it->second));
    }

   private:
    void put(const KeyValue& entry, Listener* listener);
    void remove(const std::string& key, Listener* listener);
    void catch_up(const MvccStore& store, Listener* listener);
    void forget_address(const std::string& key, const LiveLease& lease);
    void use_config(const std::string& text);

    std::string prefix_, subnets_, config_key_;
    std::string initial_text_;
    NetworkConfig initial_;
    Revision seen_ = 0;
    std::map<std::string, LiveLease> leases_;
    std::multimap<Ipv4Address, std::string> by_address_;
    std::optional<NetworkConfig> network_;
};

}  // namespace overlab
