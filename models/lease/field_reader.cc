#include "models/lease/field_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "models/base/check.h"
#include "models/base/suggest.h"

namespace overlab {
namespace {

// Bounds the work and the length of the report on hostile input; no object of ours has a tenth of
// it.
constexpr std::size_t max_members = 256;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// RFC 6901 §3: '~' and '/' inside a key are written ~0 and ~1.
std::string escape_pointer(std::string_view key) {
    std::string out;
    for (const char c : key) {
        if (c == '~') {
            out += "~0";
        } else if (c == '/') {
            out += "~1";
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

FieldReader::FieldReader(const JsonValue& object, std::string pointer, ParsedNetworkConfig& report)
    : object_(object), pointer_(std::move(pointer)), report_(report) {
    CHECK(object.kind == JsonValue::Kind::object);
    if (object.members.size() > max_members) {
        report_.problems.push_back({pointer_, fmt::format("has {} keys, at most {} are read",
                                                          object.members.size(), max_members)});
        return;
    }
    std::map<std::string, std::string_view> seen;
    for (const JsonMember& m : object.members) {
        const auto [first, added] = seen.emplace(to_lower(m.key), m.key);
        if (added) continue;
        problem(m.key,
                first->second == m.key
                    ? std::string("given twice; keep one")
                    : fmt::format("given twice, as \"{}\" too (case does not count); keep one",
                                  first->second));
    }
}

// The key as the file has it, so that the pointer resolves there; the proper name if it is missing.
std::string FieldReader::pointer_to(std::string_view key) const {
    std::string_view written = key;
    for (const JsonMember& m : object_.members) {
        if (m.key == key) return pointer_ + "/" + escape_pointer(key);
        if (equal_ignoring_case(m.key, key)) written = m.key;
    }
    return pointer_ + "/" + escape_pointer(written);
}

void FieldReader::problem(std::string_view key, std::string message) {
    report_.problems.push_back({pointer_to(key), std::move(message)});
}

void FieldReader::warning(std::string_view key, std::string message) {
    report_.warnings.push_back({pointer_to(key), std::move(message)});
}

const JsonMember* FieldReader::member(std::string_view key) {
    if (std::ranges::find(known_, key) == known_.end()) known_.push_back(key);
    const auto found = std::ranges::find_if(
        object_.members, [&](const JsonMember& m) { return equal_ignoring_case(m.key, key); });
    return found == object_.members.end() ? nullptr : &*found;
}

const JsonValue* FieldReader::find(std::string_view key) {
    const JsonMember* found = member(key);
    return found == nullptr || found->value.kind == JsonValue::Kind::null ? nullptr : &found->value;
}

bool FieldReader::written(std::string_view key) { return member(key) != nullptr; }

std::optional<bool> FieldReader::boolean(std::string_view key) {
    const JsonValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->kind == JsonValue::Kind::boolean) return value->boolean;
    problem(key, fmt::format("must be true or false, is {}", value->kind_name()));
    return std::nullopt;
}

std::optional<std::int64_t> FieldReader::integer(std::string_view key, FieldRange range) {
    const JsonValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    const std::string expected =
        fmt::format("must be an integer from {} to {}", range.min, range.max);
    if (value->kind == JsonValue::Kind::integer && value->integer >= range.min &&
        value->integer <= range.max) {
        return value->integer;
    }
    const bool numeric =
        value->kind == JsonValue::Kind::integer || value->kind == JsonValue::Kind::number;
    if (numeric) {
        problem(key, fmt::format("{}, is {}", expected, value->text.substr(0, 32)));
    } else if (value->kind == JsonValue::Kind::string) {
        problem(key, expected + ", is a string; write it without quotes");
    } else {
        problem(key, fmt::format("{}, is {}", expected, value->kind_name()));
    }
    return std::nullopt;
}

std::optional<std::string> FieldReader::string(std::string_view key) {
    const JsonValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->kind == JsonValue::Kind::string) return value->text;
    problem(key, fmt::format("must be a string, is {}", value->kind_name()));
    return std::nullopt;
}

void FieldReader::ignored(std::string_view key, std::string_view why) {
    if (written(key)) warning(key, std::string(why));
}

void FieldReader::finish() {
    if (object_.members.size() > max_members) return;
    for (const JsonMember& m : object_.members) {
        const bool known = std::ranges::any_of(
            known_, [&](std::string_view key) { return equal_ignoring_case(key, m.key); });
        if (!known) warning(m.key, "unknown key, ignored" + did_you_mean(m.key, known_));
    }
}

}  // namespace overlab
