// The allocator's walk over sorted blocks against trying every subnet with every lease.
#include "models/lease/subnet_allocator.h"

#include <algorithm>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "models/lease/uint128.h"
#include "tests/support/property.h"

namespace overlab {
namespace {

// Networks small enough to try every subnet, each with its IPv6 twin.
NetworkConfig some_network(Rng& rng) {
    NetworkConfig config;
    const auto length = static_cast<unsigned>(20 + rng.below(7));
    config.network = Ipv4Prefix::of({0x0af4'0000}, length);
    config.subnet_len =
        length + 2 + static_cast<unsigned>(rng.below(std::min(6U, 30 - length - 1)));
    const auto subnets = std::uint32_t{1} << (config.subnet_len - length);
    const auto size = static_cast<std::uint32_t>(block_size(32, config.subnet_len));
    auto low = static_cast<std::uint32_t>(rng.below(subnets));
    auto high = static_cast<std::uint32_t>(rng.below(subnets));
    if (low > high) std::swap(low, high);
    config.subnet_min = {config.network.network.bits + low * size};
    config.subnet_max = {config.network.network.bits + high * size};
    config.enable_ipv6 = rng.chance(1, 2);
    const Uint128 v6 = Uint128{0xfd00} << 112;
    config.ipv6_network = Ipv6Prefix::of(ipv6_from(v6), length + 96);
    config.ipv6_subnet_len = config.subnet_len + 96;
    config.ipv6_subnet_min = ipv6_from(v6 + low * size);
    config.ipv6_subnet_max = ipv6_from(v6 + high * size);
    return config;
}

LeaseSubnet some_lease(const NetworkConfig& config, Rng& rng) {
    const auto length =
        config.network.length + static_cast<unsigned>(rng.below(33U - config.network.length));
    const std::uint32_t host = static_cast<std::uint32_t>(rng.below(config.network.size()));
    LeaseSubnet subnet{.v4 = Ipv4Prefix::of({config.network.network.bits + host}, length),
                       .v6 = {}};
    if (rng.chance(1, 2)) {
        const Uint128 first =
            to_uint128(config.ipv6_network.network) + rng.below(config.network.size());
        subnet.v6 = Ipv6Prefix::of(ipv6_from(first), length + 96);
    }
    if (subnet.v6 && rng.chance(1, 4)) subnet.v4 = {};
    return subnet;
}

std::vector<LeaseSubnet> naive_free(const NetworkConfig& config,
                                    const std::vector<LeaseSubnet>& taken, std::size_t window,
                                    bool ipv6) {
    std::vector<LeaseSubnet> free;
    const auto size = static_cast<std::uint32_t>(block_size(32, config.subnet_len));
    for (std::uint32_t at = config.subnet_min.bits; at <= config.subnet_max.bits; at += size) {
        LeaseSubnet candidate;
        if (ipv6) {
            const Uint128 offset = at - config.network.network.bits;
            candidate.v6 =
                Ipv6Prefix::of(ipv6_from(to_uint128(config.ipv6_network.network) + offset),
                               config.ipv6_subnet_len);
        } else {
            candidate.v4 = Ipv4Prefix::of({at}, config.subnet_len);
        }
        const bool blocked = std::ranges::any_of(
            taken, [&](const LeaseSubnet& t) { return overlaps(t, candidate); });
        if (!blocked && free.size() < window) free.push_back(candidate);
    }
    return free;
}

}  // namespace

TEST_CASE("A fresh draw is uniform over the naive list of the first free subnets") {
    test::holds(
        [](std::uint64_t seed) {
            Rng rng = Rng::stream(seed, "case");
            const NetworkConfig config = some_network(rng);
            TakenSubnets taken;
            for (auto n = rng.below(40); n > 0; --n)
                taken.others.push_back(some_lease(config, rng));
            SubnetRequest request;
            request.window = 1 + rng.below(20);
            const auto v4 = naive_free(config, taken.others, request.window, false);
            const auto v6 = naive_free(config, taken.others, request.window, true);
            Rng draws = Rng::stream(seed, "draws");
            Rng same_draws = Rng::stream(seed, "draws");

            const auto choice = choose_subnet(config, taken, request, draws);

            if (v4.empty() || (config.enable_ipv6 && v6.empty())) {
                RC_ASSERT(!choice.has_value());
                RC_ASSERT(choice.error().kind == ErrorKind::out_of_space);
                return;
            }
            RC_ASSERT(choice.has_value());
            RC_ASSERT(choice->subnet.v4 == v4[same_draws.below(v4.size())].v4);
            RC_ASSERT(choice->subnet.v6.has_value() == config.enable_ipv6);
            if (config.enable_ipv6)
                RC_ASSERT(choice->subnet.v6 == v6[same_draws.below(v6.size())].v6);
            RC_ASSERT(fits(config, choice->subnet));
        },
        2'000);
}

}  // namespace overlab
