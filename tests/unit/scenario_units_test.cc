#include <string>
#include <vector>

#include "models/scenario/units.h"

#include "tests/support/catch.h"

namespace overlab {
namespace {

template <typename T>
std::string text_of(const Result<T>& result) {
    if (!result) return "error: " + result.error().what;
    if constexpr (std::is_same_v<T, Duration>)
        return std::to_string(result->ns);
    else
        return std::to_string(*result);
}

struct Row {
    std::string written, read;
};

TEST_CASE("rates are read exactly, in bit/s") {
    const std::vector<Row> rows{{"10Gbps", "10000000000"},
                                {"100Mbps", "100000000"},
                                {"1.5Gbps", "1500000000"},
                                {"2.000000001Gbps", "2000000001"},
                                {"0.5kbps", "500"},
                                {"64 kbps", "64000"},
                                {"7bps", "7"},
                                {"0.1Tbps", "100000000000"}};
    for (const auto& [written, read] : rows) {
        CAPTURE(written);
        CHECK(text_of(parse_rate(written)) == read);
    }
}

TEST_CASE("durations are read exactly, in nanoseconds") {
    const std::vector<Row> rows{{"5us", "5000"},        {"1.5s", "1500000000"},
                                {"0.1us", "100"},       {"24h", "86400000000000"},
                                {"2m", "120000000000"}, {"0s", "0"},
                                {"0.000000001s", "1"},  {"2562047h", "9223369200000000000"}};
    for (const auto& [written, read] : rows) {
        CAPTURE(written);
        CHECK(text_of(parse_duration(written)) == read);
    }
}

TEST_CASE("sizes know decimal and binary prefixes") {
    const std::vector<Row> rows{{"64B", "64"},         {"1kB", "1000"},    {"1MB", "1000000"},
                                {"64KiB", "65536"},    {"1.5KiB", "1536"}, {"0.5MiB", "524288"},
                                {"1GiB", "1073741824"}};
    for (const auto& [written, read] : rows) {
        CAPTURE(written);
        CHECK(text_of(parse_size(written)) == read);
    }
}

TEST_CASE("ratios are parts per thousand million") {
    const std::vector<Row> rows{{"0.1%", "1000000"}, {"0.001", "1000000"},   {"0", "0"},
                                {"1", "1000000000"}, {"100%", "1000000000"}, {"0.000000001", "1"},
                                {"0.0000001%", "1"}};
    for (const auto& [written, read] : rows) {
        CAPTURE(written);
        CHECK(text_of(parse_ratio_ppb(written)) == read);
    }
}

TEST_CASE("what is no quantity is refused with the reason and an example") {
    const std::vector<Row> rows{
        {"", "does not start with a plain number"},
        {"Gbps", "does not start with a plain number"},
        {".5Gbps", "does not start with a plain number"},
        {"1.Gbps", "does not start with a plain number"},
        {"1.5.2Gbps", "unknown unit"},
        {"1e3Gbps", "unknown unit"},
        {"-1Gbps", "is negative"},
        {"10", "has no unit"},
        {"10Gb", "unknown unit \"Gb\""},
        {"10  Gbps", "unknown unit"},
        {"10Gbps ", "unknown unit"},
        {"0.5bps", "not a whole multiple of 1 bit/s"},
        {"1.0000000001Gbps", "not a whole multiple of 1 bit/s"},
        {"99999999999999Tbps", "absurdly large"},
        {"1234567890123456789bps", "does not start with a plain number"},
    };
    for (const auto& [written, reason] : rows) {
        CAPTURE(written);
        const std::string text = text_of(parse_rate(written));
        CHECK_THAT(text, Catch::StartsWith("error: ") && Catch::Contains(reason));
        CHECK_THAT(text, Catch::Contains("such as \"10Gbps\""));
    }
    CHECK_THAT(text_of(parse_duration("2562048h")), Catch::Contains("absurdly long"));
    CHECK_THAT(text_of(parse_ratio_ppb("1.1")), Catch::Contains("more than 1"));
    CHECK_THAT(text_of(parse_ratio_ppb("0.0000000001")), Catch::Contains("not a whole multiple"));
}

TEST_CASE("a mistyped unit is met with the nearest one") {
    CHECK_THAT(text_of(parse_rate("10gbps")), Catch::Contains("did you mean \"Gbps\"?"));
    CHECK_THAT(text_of(parse_size("64Kib")), Catch::Contains("did you mean \"KiB\"?"));
}

TEST_CASE("durations print in the largest unit that keeps them whole") {
    CHECK(duration_text(milliseconds(1500)) == "1500ms");
    CHECK(duration_text(seconds(120)) == "2m");
    CHECK(duration_text(nanoseconds(1)) == "1ns");
    CHECK(duration_text({}) == "0ns");
}

}  // namespace
}  // namespace overlab
