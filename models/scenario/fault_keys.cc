#include "models/scenario/fault_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <vector>

namespace overlab {
namespace {

using Kind = FaultSpec::Kind;
using enum FaultSpec::Kind;

constexpr std::array link_kinds{link_down, link_change};
constexpr std::array change_kinds{link_change};
constexpr std::array host_kinds{
    partition,  host_crash, host_pause,    agent_kill, store_unreachable, clock_skew, lease_expiry,
    row_delete, row_change, foreign_route, vtep_mac,   address_change,    ike_down};
constexpr std::array loss_kinds{store_data_loss};
constexpr std::array skew_kinds{clock_skew};
constexpr std::array row_kinds{row_delete, row_change};
constexpr std::array route_kinds{foreign_route};
constexpr std::array write_kinds{store_write};
constexpr std::array address_kinds{address_change};
constexpr std::array rotation_kinds{key_rotation};

struct FaultKey {
    std::string_view key;
    std::span<const Kind> kinds;
    std::string_view example;  ///< of a key that they must have; else empty
};
/// Without `at`, `do`, `for` and `name`. What must be there of several keys is in
/// check_needed_choice().
constexpr std::array<FaultKey, 22> fault_keys{{
    {"link", link_kinds, R"("h1--tor1")"},
    {"rate", change_kinds, ""},
    {"delay", change_kinds, ""},
    {"loss", change_kinds, ""},
    {"mtu", change_kinds, ""},
    {"corrupt", change_kinds, ""},
    {"duplicate", change_kinds, ""},
    {"reorder", change_kinds, ""},
    {"host", host_kinds, ""},
    {"hosts", host_kinds, ""},
    {"restore_from", loss_kinds, ""},
    {"offset", skew_kinds, ""},
    {"drift_ppm", skew_kinds, ""},
    {"rows", row_kinds, ""},
    {"peer", row_kinds, ""},
    {"destination", route_kinds, R"("10.244.9.0/24")"},
    {"via", route_kinds, R"("h3")"},
    {"key", write_kinds, R"("subnets/10.244.9.0-24")"},
    {"value", write_kinds, R"("", or an object)"},
    {"address", address_kinds, R"("192.0.2.77")"},
    {"psk", rotation_kinds, R"("...", the new key)"},
    {"step", rotation_kinds, ""},
}};

bool is_of(const FaultKey& entry, Kind kind) {
    return std::ranges::find(entry.kinds, kind) != entry.kinds.end();
}

void check_foreign_keys(const JsonCursor& at, Kind kind) {
    for (const FaultKey& entry : fault_keys) {
        if (!at.has(entry.key) || is_of(entry, kind)) continue;
        std::vector<std::string_view> names;
        for (const Kind other : entry.kinds) names.push_back(to_string(other));
        at.at(entry.key).problem(fmt::format(R"("{}" has no meaning for {}, only for {})",
                                             entry.key, to_string(kind), fmt::join(names, ", ")));
    }
    if (!at.has("for")) return;
    if (is_instant(kind)) {
        at.at("for").problem(fmt::format(
            R"(a {} happens in an instant and has no end; leave out "for")", to_string(kind)));
    } else if (kind == key_rotation) {
        at.at("for").problem(
            R"(a key_rotation is over when the last agent has started again; "step" is the time )"
            "from one to the next");
    }
}

/// Of several keys, one at least.
bool check_needed_choice(const JsonCursor& at, Kind kind) {
    const auto has_any = [&](std::initializer_list<std::string_view> keys) {
        return std::ranges::any_of(keys, [&](std::string_view key) { return at.has(key); });
    };
    if (std::ranges::find(host_kinds, kind) != host_kinds.end() && !has_any({"host", "hosts"})) {
        at.problem(fmt::format(R"(a {} needs a "host", such as "h1"{})", to_string(kind),
                               kind == address_change ? "" : R"(, or a list of "hosts")"));
        return false;
    }
    if (kind == clock_skew && !has_any({"offset", "drift_ppm"})) {
        at.problem(R"(a clock_skew needs an "offset", such as "5s", a "drift_ppm" or both)");
        return false;
    }
    if (kind == link_change &&
        !has_any({"rate", "delay", "loss", "mtu", "corrupt", "duplicate", "reorder"})) {
        at.problem(
            "a link_change needs at least one of rate, delay, loss, mtu, corrupt, duplicate, "
            "reorder");
        return false;
    }
    return true;
}

}  // namespace

bool check_fault_keys(const JsonCursor& fault, Kind kind) {
    check_foreign_keys(fault, kind);
    bool complete = check_needed_choice(fault, kind);
    for (const FaultKey& entry : fault_keys) {
        if (entry.example.empty() || !is_of(entry, kind) || fault.has(entry.key)) continue;
        fault.problem(
            fmt::format(R"(a {} needs "{}": {})", to_string(kind), entry.key, entry.example));
        complete = false;
    }
    return complete;
}

}  // namespace overlab
