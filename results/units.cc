#include "results/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <span>

namespace overlab {
namespace {

struct Scale {
    double factor;  ///< base units in one of these
    const char* name;
};

constexpr std::array<Scale, 4> rates{
    {{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}, {1, "bit/s"}}};
constexpr std::array<Scale, 4> times{{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}}};
constexpr std::array<Scale, 1> bytes{{{1, "B"}}};
constexpr std::array<Scale, 1> percent{{{1, "%"}}};
constexpr std::array<Scale, 1> per_byte{{{1, "ns/B"}}};
constexpr std::array<Scale, 2> per_packet{{{1e3, "µs/pkt"}, {1, "ns/pkt"}}};
constexpr std::array<Scale, 1> count{{{1, ""}}};

std::span<const Scale> scales_of(Unit unit) {
    switch (unit) {
        case Unit::bits_per_second:
            return rates;
        case Unit::nanoseconds:
            return times;
        case Unit::bytes:
            return bytes;
        case Unit::percent:
            return percent;
        case Unit::ns_per_byte:
            return per_byte;
        case Unit::ns_per_packet:
            return per_packet;
        case Unit::count:
            return count;
    }
    return count;
}

/// The largest scale in which three digits of the value still show something before the point.
const Scale& scale_for(double value, Unit unit) {
    const auto scales = scales_of(unit);
    for (const Scale& scale : scales) {
        // 999.6 would be printed as 1000, so it belongs to the next scale up.
        if (std::abs(value) >= scale.factor * 0.9995) return scale;
    }
    return scales.back();
}

bool is_whole(double value) { return value == std::round(value); }

std::string digits(double value, bool whole) {
    const double size = std::abs(value);
    int places = 2;
    if (whole || size == 0 || size >= 99.95) {
        places = 0;
    } else if (size >= 9.995) {
        places = 1;
    }
    return fmt::format("{:.{}f}", value, places);
}

}  // namespace

const char* key_suffix(Unit unit) {
    switch (unit) {
        case Unit::bits_per_second:
            return "bps";
        case Unit::nanoseconds:
            return "ns";
        case Unit::bytes:
            return "bytes";
        case Unit::percent:
            return "ppm";
        case Unit::ns_per_byte:
            return "fs_per_byte";
        case Unit::ns_per_packet:
            return "ps_per_packet";
        case Unit::count:
            return "count";
    }
    return "";
}

std::string format_quantity(double value, Unit unit) {
    return format_estimate({.mean = value, .half_width = 0, .count = 1}, unit);
}

std::string format_estimate(const Estimate& estimate, Unit unit) {
    const Scale& scale = scale_for(estimate.mean, unit);
    // Whole base units (bytes, counts, nanoseconds) are printed whole; a mean of several may not
    // be.
    const bool whole = scale.factor == 1 && is_whole(estimate.mean) &&
                       (unit == Unit::bytes || unit == Unit::count || unit == Unit::nanoseconds);
    std::string text = digits(estimate.mean / scale.factor, whole);
    if (estimate.half_width > 0) {
        // As many places as the mean has: more would claim a precision that is not there.
        const std::size_t point = text.find('.');
        const std::size_t places = point == std::string::npos ? 0 : text.size() - point - 1;
        text += fmt::format(" ± {:.{}f}", estimate.half_width / scale.factor, places);
    }
    if (*scale.name != '\0') text += fmt::format(" {}", scale.name);
    return text;
}

}  // namespace overlab
