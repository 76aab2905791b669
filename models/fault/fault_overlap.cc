#include "models/fault/fault_overlap.h"

#include <algorithm>
#include <map>
#include <utility>

#include "models/lease/field_reader.h"
#include "models/scenario/located_json.h"

namespace overlab {
namespace {

template <typename T>
void take(std::optional<T>& into, const std::optional<T>& from) {
    if (from) into = from;
}

LocatedMember* find_member(LocatedValue& object, std::string_view name) {
    const auto found = std::ranges::find_if(object.members, [&](const LocatedMember& member) {
        return equal_ignoring_case(member.key, name);
    });
    return found == object.members.end() ? nullptr : &*found;
}

}  // namespace

LinkChange merged(std::span<const LinkChange* const> changes) {
    LinkChange sum;
    for (const LinkChange* change : changes) {
        take(sum.rate_bps, change->rate_bps);
        take(sum.delay, change->delay);
        take(sum.loss_ppb, change->loss_ppb);
        take(sum.mtu, change->mtu);
        take(sum.corrupt_ppb, change->corrupt_ppb);
        take(sum.duplicate_ppb, change->duplicate_ppb);
        take(sum.reorder_ppb, change->reorder_ppb);
    }
    return sum;
}

std::vector<std::vector<std::size_t>> common_groups(
    std::span<const std::vector<std::size_t>* const> partitions) {
    // Hosts are together if the same partitions name them.
    std::map<std::size_t, std::vector<std::size_t>> named_by;
    for (std::size_t i = 0; i < partitions.size(); ++i) {
        for (const std::size_t host : *partitions[i]) named_by[host].push_back(i);
    }
    std::map<std::vector<std::size_t>, std::vector<std::size_t>> sides;
    for (const auto& [host, names] : named_by) sides[names].push_back(host);
    std::vector<std::vector<std::size_t>> groups;
    for (auto& [names, hosts] : sides) groups.push_back(std::move(hosts));
    std::ranges::sort(groups);
    return groups;
}

Result<std::string> with_psk(std::string_view network_json, const std::string& psk) {
    auto network = parse_located_json(network_json, 0);
    if (!network) return fail(ErrorKind::invalid_argument, "network: is no JSON");
    LocatedMember* backend = find_member(*network, "Backend");
    LocatedMember* secret = backend == nullptr ? nullptr : find_member(backend->value, "PSK");
    if (secret == nullptr) {
        return fail(ErrorKind::unsupported,
                    "network: its backend has no PSK; only ipsec has keys that can be rotated");
    }
    secret->value.text = psk;
    return network->dump();
}

}  // namespace overlab
