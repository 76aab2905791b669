#include <rapidcheck.h>

#include <array>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "results/report_codec.h"
#include "results/report_fields.h"

#include "tests/support/catch.h"

using namespace overlab;

namespace {

std::string drawn_text() {
    return *rc::gen::container<std::string>(rc::gen::inRange('\x01', '\x7f'));
}

// Draws a value for every field that visit_fields names.
template <typename T, std::size_t N>
void draw(std::array<T, N>& values);
template <typename T>
void draw(std::map<std::string, T>& values);
template <typename T>
void draw(std::vector<T>& values);

template <typename T>
void draw(T& value) {
    if constexpr (std::is_integral_v<T>) {
        value = *rc::gen::arbitrary<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        value = drawn_text();
    } else {
        visit_fields(value, [](const char*, auto& member) { draw(member); });
    }
}

template <typename T, std::size_t N>
void draw(std::array<T, N>& values) {
    for (T& value : values) draw(value);
}

template <typename T>
void draw(std::map<std::string, T>& values) {
    for (std::size_t left = *rc::gen::inRange<std::size_t>(0, 3); left > 0; --left)
        draw(values[drawn_text()]);
}

template <typename T>
void draw(std::vector<T>& values) {
    values.resize(*rc::gen::inRange<std::size_t>(0, 3));
    for (T& value : values) draw(value);
}

/// Names of the fields in which two values differ, nested ones by their path.
template <typename T>
bool equal(const T& a, const T& b) {
    if constexpr (std::is_integral_v<T> || std::is_same_v<T, std::string>) {
        return a == b;
    } else if constexpr (requires { a.begin(); }) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
            if constexpr (requires { x.second; }) {
                return x.first == y.first && equal(x.second, y.second);
            } else {
                return equal(x, y);
            }
        });
    } else {
        std::vector<std::size_t> unequal;
        std::size_t index = 0;
        visit_fields(a, [&](const char* name, const auto& member) {
            std::size_t other_index = 0;
            visit_fields(b, [&](const char*, const auto& other) {
                if constexpr (std::is_same_v<decltype(member), decltype(other)>) {
                    if (other_index == index && !equal(member, other)) unequal.push_back(index);
                }
                ++other_index;
            });
            (void)name;
            ++index;
        });
        return unequal.empty();
    }
}

template <typename T>
std::size_t field_count() {
    std::size_t count = 0;
    T value;
    visit_fields(value, [&](const char*, auto&) { ++count; });
    return count;
}

}  // namespace

TEST_CASE("A report comes back from JSON as it was") {
    REQUIRE(rc::check("decode(encode(report)) == report", [] {
        RunReport report;
        draw(report);

        const auto back = decode_report(encode_report(report));

        RC_ASSERT(back.has_value());
        RC_ASSERT(equal(report, *back));
        RC_ASSERT(encode_report(*back) == encode_report(report));
    }));
}

TEST_CASE("The list of fields is complete") {
    // A structured binding names every member or does not compile: a new member brings its author
    // here.
    const auto& [f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16, f17, f18,
                 f19] = FlowReport{};
    REQUIRE(field_count<FlowReport>() == 19);
    const auto& [h1, h2, h3, h4, h5, h6, h7, h8, h9, h10] = HostReport{};
    REQUIRE(field_count<HostReport>() == 10);
    const auto& [l1, l2, l3, l4, l5, l6, l7, l8, l9] = LinkReport{};
    REQUIRE(field_count<LinkReport>() == 9);
    const auto& [r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15, r16, r17, r18,
                 r19, r20, r21, r22, r23, r24] = RunReport{};
    REQUIRE(field_count<RunReport>() == 24);
}

TEST_CASE("A report that is cut or has a field of another type is an error that names it") {
    const std::string text = encode_report(RunReport{});

    REQUIRE(decode_report(text.substr(0, text.size() / 2)).error().what == "run report: not JSON");
    const auto wrong_type = decode_report(R"({"backend": 3})");
    REQUIRE(wrong_type.error().kind == ErrorKind::invalid_argument);
    const auto missing = decode_report("{}");
    REQUIRE(missing.error().what.find("backend") != std::string::npos);
}
