#include "models/store/lease_lookup.h"

#include "models/base/check.h"
#include "models/lease/lease.h"
#include "models/store/lease_keys.h"

namespace overlab {

KvLeaseId etcd_lease_of(const MvccStore& store, const std::string& prefix, Ipv4Address public_ip) {
    const auto held = store.range_at(subnets_prefix(prefix), store.revision());
    CHECK(held.has_value());
    for (const KeyValuePtr& entry : held->entries) {
        const auto lease = parse_lease(*entry);
        if (lease && lease->attributes.public_ip == public_ip) return entry->lease;
    }
    return {};
}

}  // namespace overlab
