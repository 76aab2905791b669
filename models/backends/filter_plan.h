// The packet filter rules that a host needs beside its backend's rows, whatever the backend.
#pragma once

#include <vector>

#include "models/forwarding/rows.h"

namespace overlab {

/// Which sets of rules; flannel's flags of the same meaning.
struct FilterOptions {
    bool masquerade = false;   ///< --ip-masq
    bool forward = false;      ///< --iptables-forward-rules
    bool fully_random = true;  ///< not --ip-masq-fully-random-disable
};

/// `network` is the overlay's, `subnet` this host's share of it.
[[nodiscard]] std::vector<Row> plan_filter(const FilterOptions& options, Ipv4Prefix network,
                                           Ipv4Prefix subnet);

}  // namespace overlab
