#include "models/scenario/units.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/base/suggest.h"

namespace overlab {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<Unit, 5> rate_units{{{"bps", 1},
                                          {"kbps", 1'000},
                                          {"Mbps", 1'000'000},
                                          {"Gbps", 1'000'000'000},
                                          {"Tbps", 1'000'000'000'000}}};
constexpr std::array<Unit, 6> time_units{{{"ns", 1},
                                          {"us", 1'000},
                                          {"ms", 1'000'000},
                                          {"s", 1'000'000'000},
                                          {"m", 60'000'000'000},
                                          {"h", 3'600'000'000'000}}};
constexpr std::array<Unit, 7> size_units{{{"B", 1},
                                          {"kB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000},
                                          {"KiB", 1U << 10},
                                          {"MiB", 1U << 20},
                                          {"GiB", 1U << 30}}};
constexpr std::array<Unit, 2> ratio_units{{{"", 1'000'000'000}, {"%", 10'000'000}}};

/// What a kind of quantity is called and an example of it.
struct Quantity {
    std::string_view noun, base, example;
    std::span<const Unit> units;
};
constexpr Quantity rate{"a rate", "1 bit/s", "10Gbps", rate_units};
constexpr Quantity duration{"a duration", "1 ns", "5us", time_units};
constexpr Quantity size{"a size", "1 byte", "64KiB", size_units};
constexpr Quantity ratio{"a ratio", "0.000000001", "0.1%", ratio_units};

constexpr std::size_t most_digits = 18;   // 10^18 fits 64 bits with room to spare
constexpr std::size_t longest_echo = 40;  // of the user's text in a message

std::string quoted(std::string_view text) {
    if (text.size() > longest_echo) return fmt::format("\"{}...\"", text.substr(0, longest_echo));
    return fmt::format("\"{}\"", text);
}

std::string unit_list(std::span<const Unit> units) {
    std::string list;
    for (std::size_t i = 0; i < units.size(); ++i) {
        if (i > 0) list += i + 1 == units.size() ? " or " : ", ";
        list += units[i].name;
    }
    return list;
}

/// "expected a rate: a number and bps, kbps, ... such as "10Gbps"".
std::string expectation(const Quantity& quantity) {
    if (quantity.units.front().name.empty())
        return "expected a ratio from 0 to 1, such as 0.001 or \"0.1%\"";
    return fmt::format("expected {}: a number and {}, such as \"{}\"", quantity.noun,
                       unit_list(quantity.units), quantity.example);
}

/// digits [. digits], as mantissa / 10^decimals, and what follows it.
struct Decimal {
    std::uint64_t mantissa = 0, denominator = 1;
    std::string_view rest;
};

std::optional<Decimal> read_decimal(std::string_view text) {
    Decimal decimal;
    std::size_t digits = 0, at = 0;
    bool after_point = false;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '.' && !after_point && digits > 0) {
            after_point = true;
            continue;
        }
        if (c < '0' || c > '9') break;
        if (++digits > most_digits) return std::nullopt;
        decimal.mantissa = decimal.mantissa * 10 + static_cast<std::uint64_t>(c - '0');
        if (after_point) decimal.denominator *= 10;
    }
    if (digits == 0 || text[at - 1] == '.') return std::nullopt;
    if (at < text.size() && text[at] == ' ') ++at;
    decimal.rest = text.substr(at);
    return decimal;
}

std::unexpected<Error> wrong(std::string_view text, const Quantity& quantity,
                             std::string_view why) {
    return fail(ErrorKind::invalid_argument,
                fmt::format("{} {}; {}", quoted(text), why, expectation(quantity)));
}

Result<std::uint64_t> parse(std::string_view text, const Quantity& quantity) {
    const std::optional<Decimal> decimal = read_decimal(text);
    if (!decimal) {
        const bool negative = text.starts_with('-');
        return wrong(text, quantity,
                     negative ? "is negative" : "does not start with a plain number");
    }
    std::vector<std::string_view> names;
    std::optional<Unit> unit;
    for (const Unit& known : quantity.units) {
        names.push_back(known.name);
        if (known.name == decimal->rest) unit = known;
    }
    if (!unit) {
        if (decimal->rest.empty()) return wrong(text, quantity, "has no unit");
        return wrong(text, quantity,
                     fmt::format("has the unknown unit {}{}", quoted(decimal->rest),
                                 did_you_mean(decimal->rest, names)));
    }
    const std::uint64_t common = std::gcd(unit->factor, decimal->denominator);
    const std::uint64_t factor = unit->factor / common;
    const std::uint64_t denominator = decimal->denominator / common;
    if (decimal->mantissa % denominator != 0)
        return wrong(text, quantity, fmt::format("is not a whole multiple of {}", quantity.base));
    std::uint64_t value = 0;
    if (__builtin_mul_overflow(decimal->mantissa / denominator, factor, &value))
        return wrong(text, quantity, "is absurdly large");
    return value;
}

}  // namespace

Result<std::uint64_t> parse_rate(std::string_view text) { return parse(text, rate); }

Result<Duration> parse_duration(std::string_view text) {
    OVERLAB_TRY(const std::uint64_t ns, parse(text, duration));
    if (ns > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return wrong(text, duration, "is absurdly long");
    return nanoseconds(static_cast<std::int64_t>(ns));
}

Result<std::uint64_t> parse_size(std::string_view text) { return parse(text, size); }

Result<std::uint32_t> parse_ratio_ppb(std::string_view text) {
    OVERLAB_TRY(const std::uint64_t ppb, parse(text, ratio));
    if (ppb > 1'000'000'000) return wrong(text, ratio, "is more than 1");
    return static_cast<std::uint32_t>(ppb);
}

std::string duration_text(Duration span) {
    const Unit* best = &time_units.front();
    for (const Unit& unit : time_units) {
        if (span.ns != 0 && span.ns % static_cast<std::int64_t>(unit.factor) == 0) best = &unit;
    }
    return fmt::format("{}{}", span.ns / static_cast<std::int64_t>(best->factor), best->name);
}

}  // namespace overlab
