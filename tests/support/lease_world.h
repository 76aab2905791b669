// A store server and hosts that lease subnets from it, in virtual time. For tests of KvLeaseStore.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/store/kv_lease_store.h"
#include "models/store/local_kv_store.h"
#include "tests/support/virtual_runtime.h"

namespace overlab::test {

inline const std::string subnets = "/coreos.com/network/subnets/";

/// One server; every LeaseHost is a client of it.
struct LeaseWorld {
    VirtualRuntime runtime;
    LocalKvServer server{runtime};
    LeaseDecoder decoder;
    NetworkConfig network = parse_network_config(R"({"Network":"10.244.0.0/16"})").config;

    /// As an operator, with a client of his own. `value` empty: deletes the key.
    void write(const std::string& key, const std::string& value, KvLeaseId lease = {}) {
        KvTxn txn;
        if (value.empty()) {
            txn.deletes = {{key}};
        } else {
            txn.puts = {{key, value, lease}};
        }
        (void)server.apply([&](MvccStore& s, Instant now) { return s.txn(txn, now); });
    }
    KvLeaseId grant(Duration ttl) {
        return server.apply([&](MvccStore& s, Instant now) { return s.grant(ttl, now); }).value();
    }
    void compact() {
        (void)server.apply([](MvccStore& s, Instant) { return s.compact(s.revision()); });
    }
    /// All entries under subnets/, by the part of their key after it.
    [[nodiscard]] std::map<std::string, KeyValue> entries() {
        std::map<std::string, KeyValue> out;
        const KvRange range =
            server.apply([](MvccStore& s, Instant now) { return s.range(subnets, now); });
        for (const auto& e : range.entries) out[e->key.substr(subnets.size())] = *e;
        return out;
    }
};

/// One host's client and lease store, and what its callbacks said last.
struct LeaseHost {
    LeaseHost(LeaseWorld& in, const std::string& name, std::string_view public_ip,
              KvLeaseStoreOptions options = {})
        : world(in), kv(in.runtime, in.server, milliseconds(1)) {
        options.host = name;
        store.emplace(in.runtime, kv, in.decoder, options);
        attributes.public_ip = Ipv4Address::parse(public_ip).value();
        attributes.backend_type = "host-gw";
    }

    void acquire(std::optional<LeaseSubnet> previous = {}) {
        ++asked;
        store->acquire(world.network, attributes, std::move(previous),
                       [this](Result<HeldLease> answer) {
                           ++answered;
                           last = std::move(answer);
                       });
    }
    void renew() {
        ++asked;
        store->renew(last.value(), [this](Result<HeldLease> answer) {
            ++answered;
            last = std::move(answer);
        });
    }
    void watch() {
        store->watch([this](const LeaseUpdate& update) { see(update); });
    }
    void see(const LeaseUpdate& update) {
        updates.push_back(update);
        if (update.snapshot) {
            seen.clear();
            ++snapshots;
        }
        for (const auto& gone : update.removed) seen.erase(gone);
        for (const auto& lease : update.added) seen[lease->subnet] = lease;
    }
    /// Lets time pass until every question is answered. False if that takes over an hour.
    [[nodiscard]] bool settle() {
        return world.runtime.run_until_true([this] { return asked == answered; },
                                            world.runtime.now() + hours(1));
    }
    [[nodiscard]] std::string subnet() const {
        return last ? last->lease->subnet.to_string() : "error: " + last.error().what;
    }

    LeaseWorld& world;
    LocalKvStore kv;
    std::optional<KvLeaseStore> store;
    LeaseAttributes attributes;
    int asked = 0, answered = 0;
    Result<HeldLease> last = fail(ErrorKind::not_found, "nothing asked yet");
    std::vector<LeaseUpdate> updates;
    std::map<LeaseSubnet, LeasePtr> seen;  ///< what a watcher knows by now
    int snapshots = 0;
};

}  // namespace overlab::test
