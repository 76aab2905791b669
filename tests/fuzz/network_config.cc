// Any bytes are either a network configuration whose numbers agree with each other, or problems
// with pointers.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/base/check.h"
#include "models/lease/network_config.h"

namespace {

using namespace overlab;

void check_accepted(const NetworkConfig& config) {
    CHECK(config.enable_ipv4 || config.enable_ipv6);
    CHECK(config.subnet_count() >= 1);
    if (config.enable_ipv4) {
        CHECK(config.subnet_len >= config.network.length + 2U);
        CHECK(config.subnet_len <= 30);
        for (const Ipv4Address first : {config.subnet_min, config.subnet_max}) {
            const Ipv4Prefix subnet = Ipv4Prefix::of(first, config.subnet_len);
            CHECK(subnet.network == first);
            CHECK(config.network.contains(subnet));
            CHECK(config.owns(subnet));
        }
    }
    if (config.enable_ipv6) {
        CHECK(config.ipv6_subnet_len >= config.ipv6_network.length + 2U);
        CHECK(config.ipv6_subnet_len <= 126);
        for (const Ipv6Address& first : {config.ipv6_subnet_min, config.ipv6_subnet_max}) {
            const Ipv6Prefix subnet = Ipv6Prefix::of(first, config.ipv6_subnet_len);
            CHECK(subnet.network == first);
            CHECK(config.ipv6_network.contains(subnet));
            CHECK(config.owns(subnet));
        }
    }
    if (const auto* vxlan = std::get_if<VxlanConfig>(&config.backend)) {
        CHECK(vxlan->vni >= 1);
        CHECK(vxlan->vni < (1U << 24));
    }
    if (const auto* ipsec = std::get_if<IpsecConfig>(&config.backend))
        CHECK(ipsec->psk.size() >= 96);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const ParsedNetworkConfig parsed = parse_network_config(text);
    if (parsed.problems.empty()) check_accepted(parsed.config);
    for (const auto* list : {&parsed.problems, &parsed.warnings}) {
        for (const ConfigProblem& problem : *list) {
            CHECK(problem.pointer.empty() || problem.pointer.starts_with('/'));
            CHECK(!problem.message.empty());
        }
    }
    return 0;
}
