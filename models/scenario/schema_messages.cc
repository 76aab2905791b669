#include "models/scenario/schema_messages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "models/base/suggest.h"

namespace overlab {
namespace {

using Kind = LocatedValue::Kind;

struct Subject {
    const LocatedValue& value;
    const LocatedValue& rule;
    const std::string& pointer;
    ProblemList& problems;
    std::size_t found = 0;

    void problem(const std::string& message) { problem_at(value.place, pointer, message); }
    void problem_at(Place place, const std::string& where, const std::string& message) {
        problems.problem(where, place, message);
        ++found;
    }
};

std::vector<std::string_view> texts(const LocatedValue* list) {
    std::vector<std::string_view> words;
    if (list == nullptr) return words;
    if (list->is(Kind::string)) words.push_back(list->text);
    for (const LocatedValue& item : list->items) words.push_back(item.text);
    return words;
}

/// "a string, such as \"10Gbps\"" would need examples; the type in words is enough with the
/// description.
std::string_view article(std::string_view type) {
    if (type == "object") return "an object";
    if (type == "array") return "an array";
    if (type == "integer") return "a whole number";
    if (type == "number") return "a number";
    if (type == "boolean") return "true or false";
    return "a string in double quotes";
}

bool is_integer(const LocatedValue& value) {
    return value.is(Kind::number) && value.text.find_first_of(".eE") == std::string::npos;
}

bool has_type(const LocatedValue& value, std::string_view type) {
    switch (value.kind) {
        case Kind::null:
            return type == "null";
        case Kind::boolean:
            return type == "boolean";
        case Kind::number:
            return type == "number" || (type == "integer" && is_integer(value));
        case Kind::string:
            return type == "string";
        case Kind::array:
            return type == "array";
        case Kind::object:
            return type == "object";
    }
    return false;
}

std::string sentence_from(const LocatedValue& rule) {
    constexpr std::size_t longest = 120;  // a paragraph would bury the message
    const LocatedValue* description = rule.find("description");
    if (description == nullptr || description->text.size() > longest) return {};
    return fmt::format(" ({})", description->text);
}

bool explain_type(Subject& subject) {
    const std::vector<std::string_view> types = texts(subject.rule.find("type"));
    if (types.empty()) return true;
    if (std::ranges::any_of(types, [&](auto type) { return has_type(subject.value, type); }))
        return true;
    std::vector<std::string_view> words;
    for (const std::string_view type : types) words.push_back(article(type));
    subject.problem(fmt::format("expected {}, got {}{}", fmt::join(words, " or "),
                                subject.value.describe(), sentence_from(subject.rule)));
    return false;
}

void explain_object(Subject& subject) {
    const LocatedValue* known = subject.rule.find("properties");
    const LocatedValue* more = subject.rule.find("additionalProperties");
    if (known != nullptr && more != nullptr && more->is(Kind::boolean) && !more->boolean) {
        std::vector<std::string_view> names;
        for (const LocatedMember& member : known->members) names.push_back(member.key);
        for (const LocatedMember& member : subject.value.members) {
            if (known->find(member.key) != nullptr) continue;
            std::string hint = did_you_mean(member.key, names);
            if (hint.empty()) hint = fmt::format("; known keys: {}", fmt::join(names, ", "));
            const std::string shown =
                member.key.size() > 60 ? member.key.substr(0, 60) : member.key;
            subject.problem_at(member.place, subject.pointer + pointer_step(shown),
                               fmt::format("unknown key {}{}", json_quote(shown), hint));
        }
    }
    for (const std::string_view key : texts(subject.rule.find("required"))) {
        if (subject.value.find(key) != nullptr) continue;
        const LocatedValue* rule = known == nullptr ? nullptr : known->find(key);
        subject.problem(fmt::format("the key \"{}\" is missing{}", key,
                                    rule == nullptr ? std::string() : sentence_from(*rule)));
    }
    if (subject.rule.find("maxProperties") == nullptr || known == nullptr) return;
    if (subject.value.members.size() == 1) return;
    std::vector<std::string_view> names;
    for (const LocatedMember& member : known->members) names.push_back(member.key);
    subject.problem(fmt::format("expected exactly one of {}", fmt::join(names, ", ")));
}

std::optional<std::int64_t> bound(const LocatedValue& rule, std::string_view key) {
    const LocatedValue* value = rule.find(key);
    std::int64_t number = 0;
    if (value == nullptr) return std::nullopt;
    std::from_chars(value->text.data(), value->text.data() + value->text.size(), number);
    return number;
}

/// The value against the bounds; a number that is no 64-bit integer is outside every bound given
/// here.
void explain_number(Subject& subject) {
    const auto min = bound(subject.rule, "minimum"), max = bound(subject.rule, "maximum");
    if (!min || !max) return;
    std::int64_t number = 0;
    const std::string& text = subject.value.text;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_whole = error == std::errc() && stop == text.data() + text.size();
    if (is_whole && number >= *min && number <= *max) return;
    if (*min == *max) {
        subject.problem(
            fmt::format("{} is not supported; the only value is {}", text.substr(0, 40), *min));
    } else {
        subject.problem(fmt::format("{} is outside the allowed range {} to {}{}",
                                    text.substr(0, 40), *min, *max, sentence_from(subject.rule)));
    }
}

void explain_string(Subject& subject) {
    const std::string& text = subject.value.text;
    const std::vector<std::string_view> allowed = texts(subject.rule.find("enum"));
    if (!allowed.empty() && std::ranges::find(allowed, text) == allowed.end()) {
        subject.problem(fmt::format("{} is not one of: {}{}", json_quote(text.substr(0, 60)),
                                    fmt::join(allowed, ", "), did_you_mean(text, allowed)));
    }
    const auto shortest = bound(subject.rule, "minLength"),
               longest = bound(subject.rule, "maxLength");
    if (shortest && text.size() < static_cast<std::size_t>(*shortest))
        subject.problem("this must not be empty");
    if (longest && text.size() > static_cast<std::size_t>(*longest)) {
        subject.problem(fmt::format("{} characters are too many; at most {} are allowed",
                                    text.size(), *longest));
    }
}

void explain_array(Subject& subject) {
    const auto fewest = bound(subject.rule, "minItems"), most = bound(subject.rule, "maxItems");
    const std::size_t count = subject.value.items.size();
    const bool too_few = fewest && count < static_cast<std::size_t>(*fewest);
    const bool too_many = most && count > static_cast<std::size_t>(*most);
    if (!too_few && !too_many) return;
    const std::string wanted = fewest && *fewest == most ? fmt::format("exactly {}", *fewest)
                               : too_few                 ? fmt::format("at least {}", *fewest)
                                                         : fmt::format("at most {}", *most);
    subject.problem(
        fmt::format("expected {} elements, got {}{}", wanted, count, sentence_from(subject.rule)));
}

}  // namespace

const LocatedValue* SchemaMessages::resolve(const LocatedValue* node) const {
    constexpr std::string_view prefix = "#/definitions/";
    const LocatedValue* reference = node->find("$ref");
    if (reference == nullptr || !reference->text.starts_with(prefix)) return node;
    const LocatedValue* definitions = schema_.find("definitions");
    const LocatedValue* target =
        definitions == nullptr ? nullptr : definitions->find(reference->text.substr(prefix.size()));
    return target == nullptr ? node : target;
}

const LocatedValue* SchemaMessages::step(const LocatedValue& node, const std::string& key) const {
    const LocatedValue* properties = node.find("properties");
    if (properties != nullptr && properties->find(key) != nullptr) return properties->find(key);
    const bool is_index =
        !key.empty() && std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
    return is_index ? node.find("items") : nullptr;
}

std::size_t SchemaMessages::explain(const LocatedValue& document,
                                    const std::vector<std::string>& path,
                                    ProblemList& problems) const {
    const LocatedValue* value = &document;
    const LocatedValue* rule = &schema_;
    std::string pointer;
    for (const std::string& key : path) {
        rule = step(*resolve(rule), key);
        const LocatedValue* member = value->find(key);
        if (member == nullptr && value->is(Kind::array)) {
            std::size_t index = 0;
            std::from_chars(key.data(), key.data() + key.size(), index);
            if (index < value->items.size()) member = &value->items[index];
        }
        if (member == nullptr || rule == nullptr) return 0;
        value = member;
        pointer += pointer_step(key);
    }
    Subject subject{*value, *resolve(rule), pointer, problems};
    if (!explain_type(subject)) return subject.found;
    if (value->is(Kind::object)) explain_object(subject);
    if (value->is(Kind::number)) explain_number(subject);
    if (value->is(Kind::string)) explain_string(subject);
    if (value->is(Kind::array)) explain_array(subject);
    return subject.found;
}

}  // namespace overlab
