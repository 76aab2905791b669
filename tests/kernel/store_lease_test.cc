// KvLeaseStore over a real etcd, beside what flannel reads and writes there: keys, values and etcd
// leases, byte for byte.
#include <map>
#include <string>

#include "models/store/kv_lease_store.h"
#include "tests/support/etcd_lab.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;

namespace {

const std::string prefix = "/coreos.com/network";
// As flanneld 0.20 and later leave it, addresses changed.
const std::string flannels_key = prefix + "/subnets/10.64.9.0-24";
const std::string flannels_value =
    R"({"PublicIP":"192.0.2.12","PublicIPv6":null,"BackendType":"vxlan",)"
    R"("BackendData":{"VNI":1,"VtepMAC":"02:83:b8:b4:b9:70"}})";

struct Host {
    Host(EtcdLab& lab, const std::string& public_ip)
        : kv(lab.client()),
          leases(lab.loop, *kv, decoder, {.lease_ttl = hours(24), .seed = 1, .host = public_ip}) {
        attributes.public_ip = Ipv4Address::parse(public_ip).value();
        attributes.backend_type = "vxlan";
        attributes.backend_data = R"({"VNI":1,"VtepMAC":"02:00:00:00:00:01"})";
    }

    std::unique_ptr<real::EtcdKvStore> kv;
    LeaseDecoder decoder;
    KvLeaseStore leases;
    LeaseAttributes attributes;
};

std::map<std::string, KeyValue> entries(EtcdLab& lab, KvStore& kv) {
    std::map<std::string, KeyValue> out;
    const auto range = lab.range(kv, prefix + "/subnets/");
    REQUIRE(range.has_value());
    for (const KeyValuePtr& entry : range->entries) out[entry->key] = *entry;
    return out;
}

}  // namespace

TEST_CASE("A lease in etcd is flannel's, byte for byte, and flannel's is ours") {
    ETCD_LAB(lab);
    Host host(lab, "192.0.2.1");
    const std::string config = R"({"Network":"10.64.0.0/16","Backend":{"Type":"vxlan"}})";
    const auto missing =
        lab.wait<std::string>([&](auto done) { host.leases.config(std::move(done)); });
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().kind == ErrorKind::not_found);
    REQUIRE(lab.put(*host.kv, prefix + "/config", config).has_value());
    const auto day = lab.wait<KvLeaseId>([&](auto done) { host.kv->grant(hours(24), done); });
    REQUIRE(lab.put(*host.kv, flannels_key, flannels_value, *day).has_value());

    std::map<LeaseSubnet, LeasePtr> seen;
    host.leases.watch([&](const LeaseUpdate& update) {
        for (const LeasePtr& lease : update.added) seen[lease->subnet] = lease;
        for (const LeaseSubnet& gone : update.removed) seen.erase(gone);
        CHECK(update.malformed.empty());
    });
    const auto text =
        lab.wait<std::string>([&](auto done) { host.leases.config(std::move(done)); });
    REQUIRE(text.value() == config);
    const NetworkConfig network = parse_network_config(*text).config;
    const auto held = lab.wait<HeldLease>([&](auto done) {
        host.leases.acquire(network, host.attributes, std::nullopt, std::move(done));
    });
    REQUIRE(held.has_value());
    REQUIRE(lab.loop.run_until([&] { return seen.size() == 2; }, patience));

    // Ours, as flannel reads it.
    const auto stored = entries(lab, *host.kv);
    const std::string key = prefix + "/subnets/" + lease_key(held->lease->subnet);
    REQUIRE(stored.contains(key));
    CHECK(stored.at(key).value ==
          R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"vxlan",)"
          R"("BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:01"}})");
    CHECK(stored.at(key).lease.value != 0);
    // flannel's, as we read it; and written again, it is the same.
    const LeasePtr flannels = seen.at(parse_lease_key("10.64.9.0-24").value());
    CHECK(flannels->attributes.public_ip.to_string() == "192.0.2.12");
    CHECK(flannels->attributes.backend_data == R"({"VNI":1,"VtepMAC":"02:83:b8:b4:b9:70"})");
    CHECK(lease_value(flannels->attributes) == flannels_value);
    CHECK(stored.at(flannels_key).value == flannels_value);
}

TEST_CASE("A lease lives by renewal, survives a restart of etcd, and goes with its release") {
    ETCD_LAB(lab);
    Host host(lab, "192.0.2.1");
    const NetworkConfig network = parse_network_config(R"({"Network":"10.64.0.0/16"})").config;
    const auto held = lab.wait<HeldLease>([&](auto done) {
        host.leases.acquire(network, host.attributes, std::nullopt, std::move(done));
    });
    REQUIRE(held.has_value());
    CHECK(held->expires > lab.loop.now() + hours(23));

    lab.kill();
    const auto unanswered =
        lab.wait<HeldLease>([&](auto done) { host.leases.renew(*held, std::move(done)); });
    REQUIRE_FALSE(unanswered.has_value());
    CHECK(unanswered.error().kind == ErrorKind::unavailable);
    REQUIRE(lab.start().has_value());
    const auto renewed =
        lab.wait<HeldLease>([&](auto done) { host.leases.renew(*held, std::move(done)); });
    INFO((renewed ? "" : renewed.error().what));
    REQUIRE(renewed.has_value());
    CHECK(renewed->expires >= held->expires);
    CHECK(renewed->lease->mod_revision == held->lease->mod_revision);

    const auto released =
        lab.wait<void>([&](auto done) { host.leases.release(*renewed, std::move(done)); });
    CHECK(released.has_value());
    CHECK(entries(lab, *host.kv).empty());
    const auto late =
        lab.wait<HeldLease>([&](auto done) { host.leases.renew(*renewed, std::move(done)); });
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().kind == ErrorKind::not_found);
}

TEST_CASE("Hosts that start together get leases of their own") {
    ETCD_LAB(lab);
    const NetworkConfig network =
        parse_network_config(R"({"Network":"10.64.0.0/24","SubnetLen":28})").config;
    std::vector<std::unique_ptr<Host>> hosts;
    std::map<LeaseSubnet, std::string> owners;
    std::size_t answered = 0;
    for (int i = 1; i <= 15; ++i) {
        const std::string ip = "192.0.2." + std::to_string(i);
        Host& host = *hosts.emplace_back(std::make_unique<Host>(lab, ip));
        host.leases.acquire(network, host.attributes, std::nullopt,
                            [&, ip](Result<HeldLease> held) {
                                ++answered;
                                REQUIRE(held.has_value());
                                owners[held->lease->subnet] = ip;
                            });
    }
    REQUIRE(lab.loop.run_until([&] { return answered == 15; }, patience));
    CHECK(owners.size() == 15);
    CHECK(entries(lab, *hosts.front()->kv).size() == 15);
}
