// Whose etcd lease is whose, as an operator finds out by reading the store.
#pragma once

#include <string>

#include "models/net/address.h"
#include "models/ports/kv_store.h"
#include "models/store/mvcc_store.h"

namespace overlab {

/// The etcd lease of the first subnet that `public_ip` holds; 0 if it holds none, or a reservation.
[[nodiscard]] KvLeaseId etcd_lease_of(const MvccStore& store, const std::string& prefix,
                                      Ipv4Address public_ip);

}  // namespace overlab
