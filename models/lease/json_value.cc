#include "models/lease/json_value.h"

#include <fmt/format.h>

#include <cstddef>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace overlab {
namespace {

constexpr std::size_t max_depth = 64;
constexpr std::size_t max_text = std::size_t{1} << 20;

JsonValue make(JsonValue::Kind kind, std::string text = {}) {
    JsonValue value;
    value.kind = kind;
    value.text = std::move(text);
    return value;
}

// Receives nlohmann's parse events and builds the tree. `open_` is the way from the root to the
// value being filled in; an address in it stays valid because only the innermost container grows.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
   public:
    JsonValue take() { return std::move(root_); }
    [[nodiscard]] const std::string& error() const { return error_; }

    bool null() override { return add({}); }
    bool boolean(bool value) override {
        JsonValue made = make(JsonValue::Kind::boolean);
        made.boolean = value;
        return add(std::move(made));
    }
    bool number_integer(std::int64_t value) override {
        JsonValue made = make(JsonValue::Kind::integer, fmt::format("{}", value));
        made.integer = value;
        return add(std::move(made));
    }
    bool number_unsigned(std::uint64_t value) override {
        if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            return number_integer(static_cast<std::int64_t>(value));
        }
        return add(make(JsonValue::Kind::number, fmt::format("{}", value)));
    }
    bool number_float(double /*value*/, const std::string& written) override {
        return add(make(JsonValue::Kind::number, written));
    }
    bool string(std::string& value) override {
        return add(make(JsonValue::Kind::string, std::move(value)));
    }
    bool binary(nlohmann::json::binary_t& /*value*/) override { return false; }

    bool start_object(std::size_t /*elements*/) override { return open(JsonValue::Kind::object); }
    bool start_array(std::size_t /*elements*/) override { return open(JsonValue::Kind::array); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(std::string& key) override {
        open_.back()->members.push_back({std::move(key), {}});
        return true;
    }

    bool parse_error(std::size_t /*position*/, const std::string& /*last_token*/,
                     const nlohmann::json::exception& exception) override {
        const std::string_view what = exception.what();
        const std::size_t id_end = what.find("] ");
        error_ = what.substr(id_end == std::string_view::npos ? 0 : id_end + 2);
        return false;
    }

   private:
    JsonValue* place(JsonValue value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        JsonValue& container = *open_.back();
        if (container.kind == JsonValue::Kind::object) {
            container.members.back().value = std::move(value);
            return &container.members.back().value;
        }
        container.elements.push_back(std::move(value));
        return &container.elements.back();
    }
    bool add(JsonValue value) {
        place(std::move(value));
        return true;
    }
    bool open(JsonValue::Kind kind) {
        if (open_.size() == max_depth) {
            error_ = fmt::format("nested deeper than {} levels", max_depth);
            return false;
        }
        open_.push_back(place(make(kind)));
        return true;
    }
    bool close() {
        open_.pop_back();
        return true;
    }

    JsonValue root_;
    std::vector<JsonValue*> open_;
    std::string error_;
};

}  // namespace

std::string_view JsonValue::kind_name() const {
    switch (kind) {
        case Kind::null:
            return "null";
        case Kind::boolean:
            return "a boolean";
        case Kind::integer:
            return "an integer";
        case Kind::number:
            return "a number";
        case Kind::string:
            return "a string";
        case Kind::array:
            return "an array";
        case Kind::object:
            return "an object";
    }
    return "nothing";
}

Result<JsonValue> parse_json(std::string_view text) {
    if (text.size() > max_text) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("json: {} bytes long, at most {} are read", text.size(), max_text));
    }
    TreeBuilder builder;
    if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) {
        return fail(ErrorKind::invalid_argument, "json: " + builder.error());
    }
    return builder.take();
}

}  // namespace overlab
