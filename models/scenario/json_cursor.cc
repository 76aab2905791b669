#include "models/scenario/json_cursor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "models/base/check.h"
#include "models/base/suggest.h"
#include "models/scenario/units.h"

namespace overlab {

JsonCursor::JsonCursor(const LocatedValue& root, ProblemList& problems)
    : value_(&root), place_(root.place), problems_(&problems) {}

JsonCursor::JsonCursor(const LocatedValue* value, Place place, std::string pointer,
                       ProblemList& problems)
    : value_(value), place_(place), pointer_(std::move(pointer)), problems_(&problems) {}

const LocatedValue& JsonCursor::value() const {
    CHECK(value_ != nullptr);
    return *value_;
}

JsonCursor JsonCursor::at(std::string_view key) const {
    const LocatedValue* member = value_ == nullptr ? nullptr : value_->find(key);
    if (member == nullptr) return {nullptr, place_, pointer_, *problems_};
    return {member, member->place, pointer_ + pointer_step(key), *problems_};
}

std::vector<JsonCursor> JsonCursor::items() const {
    std::vector<JsonCursor> list;
    if (value_ == nullptr) return list;
    for (std::size_t i = 0; i < value_->items.size(); ++i) {
        const LocatedValue& item = value_->items[i];
        list.push_back(
            JsonCursor(&item, item.place, fmt::format("{}/{}", pointer_, i), *problems_));
    }
    return list;
}

void JsonCursor::problem(const std::string& message) const {
    problems_->problem(pointer_, place_, message);
}

Place JsonCursor::deepest_place(std::string_view below) const {
    JsonCursor at = *this;
    while (!below.empty()) {
        below.remove_prefix(1);
        const std::string_view key = below.substr(0, below.find('/'));
        below.remove_prefix(key.size());
        if (!at.has(key)) break;
        at = at.at(key);
    }
    return at.place_;
}

void JsonCursor::problem_below(std::string_view below, const std::string& message) const {
    problems_->problem(pointer_ + std::string(below), deepest_place(below), message);
}

void JsonCursor::warning_below(std::string_view below, const std::string& message) const {
    problems_->warning(pointer_ + std::string(below), deepest_place(below), message);
}

void JsonCursor::warning(const std::string& message) const {
    problems_->warning(pointer_, place_, message);
}

std::optional<std::string> JsonCursor::text() const {
    if (value_ == nullptr || !value_->is(LocatedValue::Kind::string)) return std::nullopt;
    return value_->text;
}

std::optional<std::uint64_t> JsonCursor::integer() const {
    if (value_ == nullptr || !value_->is(LocatedValue::Kind::number)) return std::nullopt;
    std::uint64_t number = 0;
    const char* end = value_->text.data() + value_->text.size();
    const auto [stop, error] = std::from_chars(value_->text.data(), end, number);
    if (error == std::errc() && stop == end) return number;
    problem(fmt::format("expected a whole number that is not negative, got {}", value_->text));
    return std::nullopt;
}

std::optional<std::int64_t> JsonCursor::signed_integer() const {
    if (value_ == nullptr || !value_->is(LocatedValue::Kind::number)) return std::nullopt;
    std::int64_t number = 0;
    const char* end = value_->text.data() + value_->text.size();
    const auto [stop, error] = std::from_chars(value_->text.data(), end, number);
    if (error == std::errc() && stop == end) return number;
    problem(fmt::format("expected a whole number, got {}", value_->text));
    return std::nullopt;
}

std::optional<bool> JsonCursor::boolean() const {
    if (value_ == nullptr || !value_->is(LocatedValue::Kind::boolean)) return std::nullopt;
    return value_->boolean;
}

std::optional<std::uint64_t> JsonCursor::in_range(std::uint64_t value,
                                                  const QuantityRange& range) const {
    if (value >= range.min && value <= range.max) return value;
    problem(fmt::format("{} is outside the allowed range {}", value_->text, range.words));
    return std::nullopt;
}

std::optional<std::uint64_t> JsonCursor::rate(const QuantityRange& range) const {
    const std::optional<std::string> written = text();
    if (!written) return std::nullopt;
    const Result<std::uint64_t> parsed = parse_rate(*written);
    if (parsed) return in_range(*parsed, range);
    problem(parsed.error().what);
    return std::nullopt;
}

std::optional<Duration> JsonCursor::duration(const QuantityRange& range) const {
    const std::optional<std::string> written = text();
    if (!written) return std::nullopt;
    const Result<Duration> parsed = parse_duration(*written);
    if (!parsed) {
        problem(parsed.error().what);
        return std::nullopt;
    }
    if (!in_range(static_cast<std::uint64_t>(parsed->ns), range)) return std::nullopt;
    return *parsed;
}

std::optional<std::uint64_t> JsonCursor::size(const QuantityRange& range) const {
    if (value_ != nullptr && value_->is(LocatedValue::Kind::number)) {
        const std::optional<std::uint64_t> bytes = integer();
        return bytes ? in_range(*bytes, range) : std::nullopt;
    }
    const std::optional<std::string> written = text();
    if (!written) return std::nullopt;
    const Result<std::uint64_t> parsed = parse_size(*written);
    if (parsed) return in_range(*parsed, range);
    problem(parsed.error().what);
    return std::nullopt;
}

std::optional<std::uint32_t> JsonCursor::ratio_ppb() const {
    if (value_ == nullptr) return std::nullopt;
    const Result<std::uint32_t> parsed = parse_ratio_ppb(value_->text);
    if (parsed) return *parsed;
    problem(parsed.error().what);
    return std::nullopt;
}

std::string name_hint(std::string_view word, const std::vector<std::string_view>& known) {
    constexpr std::size_t few = 10;
    std::string nearest_one = did_you_mean(word, known);
    if (!nearest_one.empty() || known.empty() || known.size() > few) return nearest_one;
    return fmt::format("; known: {}", fmt::join(known, ", "));
}

bool is_name(std::string_view text) {
    const auto is_alphanumeric = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    if (text.empty() || !is_alphanumeric(text.front())) return false;
    return std::ranges::all_of(
        text, [&](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace overlab
