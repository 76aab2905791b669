#include "models/backends/filter_plan.h"

namespace overlab {

std::vector<Row> plan_filter(const FilterOptions& options, Ipv4Prefix network, Ipv4Prefix subnet) {
    std::vector<Row> rows;
    if (options.forward) {
        rows.emplace_back(FilterRow{.kind = FilterRow::Kind::forward, .network = network});
    }
    if (options.masquerade) {
        rows.emplace_back(FilterRow{.kind = FilterRow::Kind::masquerade,
                                    .network = network,
                                    .subnet = subnet,
                                    .fully_random = options.fully_random});
    }
    return rows;
}

}  // namespace overlab
