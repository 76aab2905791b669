// Sources: flannel's Documentation/configuration.md and pkg/subnet/config.go. Both families follow
// the same rules with other numbers, so they share one reader; `Family` holds the numbers and the
// key names.
#include "models/lease/network_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "models/base/check.h"
#include "models/lease/backend_config.h"
#include "models/lease/field_reader.h"
#include "models/lease/json_value.h"
#include "models/lease/uint128.h"

namespace overlab {
namespace {

struct Family {
    std::string_view enable_key, network_key, len_key, min_key, max_key;
    unsigned width;      // bits of an address
    unsigned usual_len;  // SubnetLen's default where at least four such subnets fit
    std::string_view network_example;
};

constexpr Family ipv4_family{"EnableIPv4", "Network", "SubnetLen", "SubnetMin",
                             "SubnetMax",  32,        24,          "10.244.0.0/16"};
constexpr Family ipv6_family{
    "EnableIPv6", "IPv6Network",     "IPv6SubnetLen", "IPv6SubnetMin", "IPv6SubnetMax", 128,
    64,           "fd00:10:244::/56"};

// At least four subnets must fit into the network.
constexpr unsigned min_subnet_bits = 2;
// ... and at least four addresses (two bits) into a subnet.
constexpr unsigned min_host_bits = 2;

struct Block {
    Uint128 first = 0;
    unsigned length = 0;
};

struct SubnetRange {
    unsigned subnet_len = 0;
    Uint128 min = 0, max = 0;  // first addresses of the first and last subnet
};

std::string address_text(const Family& family, Uint128 bits) {
    return family.width == 32 ? ipv4_from(bits).to_string() : ipv6_from(bits).to_string();
}

std::string block_text(const Family& family, Block block) {
    return fmt::format("{}/{}", address_text(family, block.first), block.length);
}

Result<Uint128> parse_address(const Family& family, std::string_view text) {
    if (family.width == 32) {
        OVERLAB_TRY(const Ipv4Address address, Ipv4Address::parse(text));
        return to_uint128(address);
    }
    OVERLAB_TRY(const Ipv6Address address, Ipv6Address::parse(text));
    return to_uint128(address);
}

Result<Block> parse_block(const Family& family, std::string_view text) {
    if (family.width == 32) {
        OVERLAB_TRY(const Ipv4Prefix prefix, Ipv4Prefix::parse(text));
        return Block{to_uint128(prefix.network), prefix.length};
    }
    OVERLAB_TRY(const Ipv6Prefix prefix, Ipv6Prefix::parse(text));
    return Block{to_uint128(prefix.network), prefix.length};
}

bool overlaps(const Family& family, Block a, Block b) {
    const unsigned shorter = std::min(a.length, b.length);
    return shorter == 0 || (a.first ^ b.first) >> (family.width - shorter) == 0;
}

// Ranges in which no host can have an address.
std::optional<std::string_view> not_unicast(const Family& family, Block block) {
    if (block.length == 0) return "is every address there is";
    if (family.width == 32) {
        if (overlaps(family, block, {Uint128{0x7f} << 24, 8}))
            return "overlaps loopback, 127.0.0.0/8";
        if (overlaps(family, block, {Uint128{0xe0} << 24, 3})) {
            return "overlaps multicast and reserved addresses, 224.0.0.0/3";
        }
        return std::nullopt;
    }
    if (overlaps(family, block, {Uint128{0xff} << 120, 8})) return "overlaps multicast, ff00::/8";
    if (overlaps(family, block, {Uint128{0xfe80} << 112, 10}))
        return "overlaps link-local, fe80::/10";
    return std::nullopt;
}

std::optional<Block> read_network(FieldReader& fields, const Family& family) {
    const auto text = fields.string(family.network_key);
    if (!text) {
        if (fields.find(family.network_key) == nullptr) {
            fields.problem(family.network_key,
                           fmt::format("is required, such as \"{}\" (or set {} to false)",
                                       family.network_example, family.enable_key));
        }
        return std::nullopt;
    }
    const auto block = parse_block(family, *text);
    if (!block) {
        fields.problem(
            family.network_key,
            fmt::format("must be an IPv{} network such as \"{}\": {}", family.width == 32 ? 4 : 6,
                        family.network_example, block.error().what));
        return std::nullopt;
    }
    if (const auto why = not_unicast(family, *block)) {
        fields.problem(family.network_key, fmt::format("{} {}; hosts need addresses of their own, "
                                                       "such as \"{}\"",
                                                       *text, *why, family.network_example));
        return std::nullopt;
    }
    const auto address = parse_address(family, text->substr(0, text->find('/')));
    if (address && *address != block->first) {
        fields.warning(family.network_key,
                       fmt::format("{} has bits set after its length; {} is used", *text,
                                   block_text(family, *block)));
    }
    return *block;
}

std::optional<unsigned> read_subnet_len(FieldReader& fields, const Family& family, Block network) {
    const auto given = fields.integer(family.len_key, {0, family.width});
    const unsigned least = network.length + min_subnet_bits;
    const unsigned most = family.width - min_host_bits;
    if (given && *given != 0) {
        const auto length = static_cast<unsigned>(*given);
        if (length >= least && length <= most) return length;
        fields.problem(
            family.len_key,
            least > most
                ? fmt::format("no length fits: {} {} is longer than /{}", family.network_key,
                              block_text(family, network), most - min_subnet_bits)
                : fmt::format("must be from {} to {} (four subnets or more in {}), is {}", least,
                              most, block_text(family, network), length));
        return std::nullopt;
    }
    if (!given && fields.find(family.len_key) != nullptr)
        return std::nullopt;  // wrong: noted already
    if (network.length + min_subnet_bits + min_host_bits > family.width) {
        fields.problem(
            family.network_key,
            fmt::format("{} is too small: a network of /{} or shorter holds four subnets of "
                        "four addresses",
                        block_text(family, network),
                        family.width - min_subnet_bits - min_host_bits));
        return std::nullopt;
    }
    return least <= family.usual_len ? family.usual_len : least;
}

// SubnetMin or SubnetMax. Zero is as good as absent, as in flannel.
std::optional<Uint128> read_bound(FieldReader& fields, std::string_view key, const Family& family,
                                  Block network, unsigned subnet_len) {
    const auto text = fields.string(key);
    if (!text) return std::nullopt;
    const auto address = parse_address(family, *text);
    if (!address) {
        fields.problem(key, fmt::format("must be an IPv{} address: {}", family.width == 32 ? 4 : 6,
                                        address.error().what));
        return std::nullopt;
    }
    if (*address == 0) return std::nullopt;
    if (!overlaps(family, network, {*address, family.width})) {
        fields.problem(key, fmt::format("{} is outside {} {}", *text, family.network_key,
                                        block_text(family, network)));
        return std::nullopt;
    }
    const Uint128 size = block_size(family.width, subnet_len);
    if (*address % size != 0) {
        fields.problem(key,
                       fmt::format("{} is not the first address of a /{}; {} is", *text, subnet_len,
                                   address_text(family, *address - *address % size)));
        return std::nullopt;
    }
    return *address;
}

std::optional<SubnetRange> read_range(FieldReader& fields, const Family& family, Block network) {
    const auto subnet_len = read_subnet_len(fields, family, network);
    if (!subnet_len) return std::nullopt;
    const Uint128 size = block_size(family.width, *subnet_len);
    SubnetRange range{
        .subnet_len = *subnet_len,
        // flannel leaves the first subnet out: some systems treat its .0 as broadcast.
        .min = network.first + size,
        .max = network.first + block_size(family.width, network.length) - size};
    if (const auto min = read_bound(fields, family.min_key, family, network, *subnet_len))
        range.min = *min;
    if (const auto max = read_bound(fields, family.max_key, family, network, *subnet_len))
        range.max = *max;
    if (range.min > range.max) {
        const std::string_view blamed =
            fields.find(family.min_key) ? family.min_key : family.max_key;
        fields.problem(blamed, fmt::format("{} {} comes after {} {}: no subnet lies between them",
                                           family.min_key, address_text(family, range.min),
                                           family.max_key, address_text(family, range.max)));
        return std::nullopt;
    }
    return range;
}

// Keys of a family that is switched off are understood, but a person who wrote them meant something
// else.
void skip_family(FieldReader& fields, const Family& family) {
    const std::string why = fmt::format("has no effect while {} is false", family.enable_key);
    for (const auto key : {family.network_key, family.len_key, family.min_key, family.max_key}) {
        fields.ignored(key, why);
    }
}

void read_ipv4(FieldReader& fields, NetworkConfig& config) {
    if (!config.enable_ipv4) return skip_family(fields, ipv4_family);
    const auto network = read_network(fields, ipv4_family);
    if (!network) return;
    config.network = Ipv4Prefix::of(ipv4_from(network->first), network->length);
    const auto range = read_range(fields, ipv4_family, *network);
    if (!range) return;
    config.subnet_len = range->subnet_len;
    config.subnet_min = ipv4_from(range->min);
    config.subnet_max = ipv4_from(range->max);
}

void read_ipv6(FieldReader& fields, NetworkConfig& config) {
    if (!config.enable_ipv6) return skip_family(fields, ipv6_family);
    const auto network = read_network(fields, ipv6_family);
    if (!network) return;
    config.ipv6_network = Ipv6Prefix::of(ipv6_from(network->first), network->length);
    const auto range = read_range(fields, ipv6_family, *network);
    if (!range) return;
    config.ipv6_subnet_len = range->subnet_len;
    config.ipv6_subnet_min = ipv6_from(range->min);
    config.ipv6_subnet_max = ipv6_from(range->max);
}

// All keys of the family are asked for even when its network is unusable, so that none is called
// unknown.
void know_all_keys(FieldReader& fields) {
    for (const Family* family : {&ipv4_family, &ipv6_family}) {
        for (const auto key : {family->enable_key, family->network_key, family->len_key,
                               family->min_key, family->max_key}) {
            (void)fields.find(key);  // only to mark it as known
        }
    }
}

void read_backend(FieldReader& fields, NetworkConfig& config, ParsedNetworkConfig& report) {
    if (!fields.written("Backend")) {
        fields.warning("Backend",
                       "is absent, so udp is used, as flannel does (its documentation says "
                       "vxlan); write {\"Type\": \"udp\"} if that is meant");
        return;
    }
    const JsonValue null_value;
    const JsonValue* backend = fields.find("Backend");
    config.backend = parse_backend_config(backend != nullptr ? *backend : null_value,
                                          fields.pointer_to("Backend"),
                                          {config.enable_ipv4, config.enable_ipv6}, report);
}

}  // namespace

ParsedNetworkConfig parse_network_config(std::string_view json) {
    ParsedNetworkConfig report;
    const auto document = parse_json(json);
    if (!document) {
        report.problems.push_back({"", document.error().what});
        return report;
    }
    if (document->kind != JsonValue::Kind::object) {
        report.problems.push_back(
            {"", fmt::format("a network configuration must be an object such as "
                             "{{\"Network\": \"10.244.0.0/16\"}}, is {}",
                             document->kind_name())});
        return report;
    }
    FieldReader fields(*document, "", report);
    NetworkConfig& config = report.config;
    config.enable_ipv4 = fields.boolean("EnableIPv4").value_or(true);
    config.enable_ipv6 = fields.boolean("EnableIPv6").value_or(false);
    config.enable_nftables = fields.boolean("EnableNFTables").value_or(false);
    know_all_keys(fields);
    if (!config.enable_ipv4 && !config.enable_ipv6) {
        fields.problem("EnableIPv4",
                       "is false and EnableIPv6 is not true: no address family is left");
    }
    read_ipv4(fields, config);
    read_ipv6(fields, config);
    read_backend(fields, config, report);
    fields.finish();
    return report;
}

std::uint64_t NetworkConfig::subnet_count() const {
    constexpr Uint128 most = std::numeric_limits<std::uint64_t>::max();
    const bool v4 = enable_ipv4;
    const Uint128 min = v4 ? to_uint128(subnet_min) : to_uint128(ipv6_subnet_min);
    const Uint128 max = v4 ? to_uint128(subnet_max) : to_uint128(ipv6_subnet_max);
    CHECK(min <= max);
    const Uint128 size = v4 ? block_size(32, subnet_len) : block_size(128, ipv6_subnet_len);
    return static_cast<std::uint64_t>(std::min((max - min) / size + 1, most));
}

bool NetworkConfig::owns(Ipv4Prefix subnet) const {
    return enable_ipv4 && subnet.length == subnet_len && subnet.network >= subnet_min &&
           subnet.network <= subnet_max;
}

bool NetworkConfig::owns(const Ipv6Prefix& subnet) const {
    return enable_ipv6 && subnet.length == ipv6_subnet_len && subnet.network >= ipv6_subnet_min &&
           subnet.network <= ipv6_subnet_max;
}

}  // namespace overlab
