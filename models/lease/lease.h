// A lease: the overlay prefix(es) that one host owns, and what its peers must know to reach it.
// Text forms are flannel's (docs/backends/README.md, "In etcd"): key
// `<a.b.c.d>-<len>[&<v6>-<len6>]`, value JSON with PublicIP, PublicIPv6, BackendType, BackendData,
// BackendV6Data in that order.
#pragma once

#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/net/address.h"
#include "models/ports/kv_store.h"

namespace overlab {

/// Which overlay prefixes; the identity of a lease.
struct LeaseSubnet {
    Ipv4Prefix v4;  ///< length 0 with network 0.0.0.0: no IPv4 part
    std::optional<Ipv6Prefix> v6;

    friend auto operator<=>(const LeaseSubnet&, const LeaseSubnet&) = default;
    [[nodiscard]] std::string to_string() const;  ///< `10.244.1.0/24` or with `, fd00::/64`
};

/// What the owner publishes. Backend data is compact JSON text, kept verbatim; empty when the
/// backend publishes none.
struct LeaseAttributes {
    Ipv4Address public_ip;
    std::optional<Ipv6Address> public_ipv6;
    std::string backend_type;  ///< "vxlan", "host-gw", "ipsec"; udp publishes "" (as flannel)
    std::string backend_data;
    std::string backend_v6_data;

    friend bool operator==(const LeaseAttributes&, const LeaseAttributes&) = default;
};

struct Lease {
    LeaseSubnet subnet;
    LeaseAttributes attributes;
    KvLeaseId kv_lease;  ///< 0: a reservation, never expires
    Revision mod_revision = 0;
};
using LeasePtr = std::shared_ptr<const Lease>;

/// `10.244.1.0-24` or `10.244.1.0-24&fd00::-64`.
[[nodiscard]] std::string lease_key(const LeaseSubnet& subnet);
/// The inverse, on the last path segment of an etcd key. Errors: invalid_argument, naming the key.
[[nodiscard]] Result<LeaseSubnet> parse_lease_key(std::string_view key_tail);

/// flannel's value, byte for byte: field order, `"PublicIPv6":null` always there, empty fields
/// omitted.
[[nodiscard]] std::string lease_value(const LeaseAttributes& attributes);
/// Tolerates unknown and missing fields; errors name the key and the field.
[[nodiscard]] Result<LeaseAttributes> parse_lease_value(std::string_view json);

/// Both halves of a stored entry. Errors: invalid_argument (a garbage key or value: the caller
/// reports it and goes on with the others).
[[nodiscard]] Result<Lease> parse_lease(const KeyValue& entry);

}  // namespace overlab
