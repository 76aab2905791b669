#include "real/netlink/nft_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace overlab::real {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t masquerade_mark = 0x4000;  // who sets it has masqueraded or will
constexpr Ipv4Prefix multicast{{0xe0000000}, 4};

enum class Is : bool { no, yes };
enum class Side : bool { source, destination };

Json match(Side side, Is is, Ipv4Prefix prefix) {
    // As nft prints them: a whole address is no prefix.
    const Json right = prefix.length == 32
                           ? Json(prefix.network.to_string())
                           : Json{{"prefix",
                                   {{"addr", prefix.network.to_string()},
                                    {"len", static_cast<unsigned>(prefix.length)}}}};
    return {{"match",
             {{"op", is == Is::yes ? "==" : "!="},
              {"left",
               {{"payload",
                 {{"protocol", "ip"}, {"field", side == Side::source ? "saddr" : "daddr"}}}}},
              {"right", right}}}};
}

Json verdict(const char* name) { return {{name, nullptr}}; }

Json masquerade(const FilterRow& row) {
    if (!row.fully_random) return verdict("masquerade");
    return {{"masquerade", {{"flags", "fully-random"}}}};
}

Json has_mark() {
    return {{"match",
             {{"op", "=="},
              {"left", {{"&", {{{"meta", {{"key", "mark"}}}}, masquerade_mark}}}},
              {"right", masquerade_mark}}}};
}

/// The expressions of each rule, in order.
std::vector<Json> rules_of(const FilterRow& row) {
    using enum Side;
    const Ipv4Prefix network = row.network;
    if (row.kind == FilterRow::Kind::forward) {
        return {Json::array({match(source, Is::yes, network), verdict("accept")}),
                Json::array({match(destination, Is::yes, network), verdict("accept")})};
    }
    const Ipv4Prefix subnet = row.subnet;
    const auto rule = [](auto... parts) { return Json::array({std::move(parts)...}); };
    return {
        rule(has_mark(), verdict("return")),
        rule(match(source, Is::yes, subnet), match(destination, Is::yes, network),
             verdict("return")),
        rule(match(source, Is::yes, network), match(destination, Is::yes, subnet),
             verdict("return")),
        rule(match(source, Is::no, network), match(destination, Is::yes, subnet),
             verdict("return")),
        rule(match(source, Is::yes, network), match(destination, Is::no, multicast),
             masquerade(row)),
        rule(match(source, Is::no, network), match(destination, Is::yes, network), masquerade(row)),
    };
}

/// The key of a row, as a name that nft takes on its command line, too.
std::string chain_name(const FilterRow& row) {
    const char* kind = row.kind == FilterRow::Kind::forward ? "forward" : "masquerade";
    return fmt::format("{}-{}", kind, row.network.to_string());
}

Json chain_key(const FilterRow& row) {
    return {{"family", "ip"}, {"table", filter_table}, {"name", chain_name(row)}};
}

Json chain_of(const FilterRow& row) {
    const bool forward = row.kind == FilterRow::Kind::forward;
    Json chain = chain_key(row);
    chain["type"] = forward ? "filter" : "nat";
    chain["hook"] = forward ? "forward" : "postrouting";
    chain["prio"] = forward ? 0 : 100;  // NF_IP_PRI_FILTER, NF_IP_PRI_NAT_SRC
    chain["policy"] = "accept";
    return chain;
}

Json table_key() { return {{"family", "ip"}, {"name", filter_table}}; }

std::string command(std::vector<Json> steps) { return Json{{"nftables", std::move(steps)}}.dump(); }

/// A chain as nft lists it.
struct ListedChain {
    Json chain;
    std::vector<Json> rules;  ///< expressions
    std::string comment;      ///< of the first rule
};

/// Newer nft prints one flag as a list of one.
void simplify_flags(Json& expressions) {
    for (Json& each : expressions) {
        if (!each.is_object() || !each.contains("masquerade")) continue;
        Json& statement = each["masquerade"];
        if (!statement.is_object() || !statement.contains("flags")) continue;
        Json& flags = statement["flags"];
        if (flags.is_array() && flags.size() == 1) flags = Json(flags.front());
    }
}

std::map<std::string, ListedChain> chains_in(const Json& listing) {
    std::map<std::string, ListedChain> chains;
    for (const Json& each : listing.at("nftables")) {
        if (each.contains("chain")) {
            chains[each["chain"].value("name", "")].chain = each["chain"];
        } else if (each.contains("rule")) {
            const Json& rule = each["rule"];
            ListedChain& chain = chains[rule.value("chain", "")];
            if (chain.rules.empty()) chain.comment = rule.value("comment", "");
            chain.rules.push_back(rule.value("expr", Json::array()));
            simplify_flags(chain.rules.back());
        }
    }
    return chains;
}

/// The row that a chain was made for, if it still is as it was made.
std::optional<FilterRow> row_of(const ListedChain& listed) {
    const Result<Row> row = parse_row(listed.comment);
    const auto* const filter = row ? std::get_if<FilterRow>(&*row) : nullptr;
    if (filter == nullptr || rules_of(*filter) != listed.rules) return std::nullopt;
    Json chain = listed.chain;
    chain.erase("handle");
    if (chain != chain_of(*filter)) return std::nullopt;
    return *filter;
}

Json parse(std::string_view listing) {
    Json json = Json::parse(listing, nullptr, /*allow_exceptions=*/false);
    const bool usable =
        json.is_object() && json.contains("nftables") && json["nftables"].is_array() &&
        std::ranges::all_of(json["nftables"], [](const Json& each) { return each.is_object(); });
    return usable ? json : Json();
}

}  // namespace

std::string install_command(const FilterRow& row) {
    std::vector<Json> steps = {{{"add", {{"table", table_key()}}}},
                               {{"add", {{"chain", chain_of(row)}}}},
                               {{"flush", {{"chain", chain_key(row)}}}}};
    for (const Json& expressions : rules_of(row)) {
        Json rule = {{"family", "ip"},
                     {"table", filter_table},
                     {"chain", chain_name(row)},
                     {"expr", expressions}};
        if (steps.size() == 3) rule["comment"] = to_string(Row(row));
        steps.push_back({{"add", {{"rule", std::move(rule)}}}});
    }
    return command(std::move(steps));
}

std::string withdraw_command(const FilterRow& row) {
    // Adding it first makes the deletion of an absent one succeed.
    return command({{{"add", {{"table", table_key()}}}},
                    {{"add", {{"chain", chain_of(row)}}}},
                    {{"flush", {{"chain", chain_key(row)}}}},
                    {{"delete", {{"chain", chain_key(row)}}}}});
}

Result<std::vector<FilterRow>> read_table(std::string_view listing) {
    const Json json = parse(listing);
    if (json.is_null()) {
        return fail(ErrorKind::invalid_argument, "nftables: the listing is no JSON as nft prints");
    }
    std::vector<FilterRow> rows;
    for (const auto& [name, chain] : chains_in(json)) {
        if (const std::optional<FilterRow> row = row_of(chain)) rows.push_back(*row);
    }
    std::ranges::sort(rows, [](const FilterRow& a, const FilterRow& b) {
        return compare_keys(Row(a), Row(b)) < 0;
    });
    return rows;
}

bool has_chains(std::string_view listing) {
    const Json json = parse(listing);
    return !json.is_null() && std::ranges::any_of(json["nftables"], [](const Json& each) {
        return each.contains("chain");
    });
}

}  // namespace overlab::real
