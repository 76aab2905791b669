#include "models/scenario/located_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "models/scenario/json_scanner.h"
#include "models/scenario/syntax_hint.h"

namespace overlab {
namespace {

using Kind = LocatedValue::Kind;
constexpr std::size_t longest_echo = 40;

LocatedValue make(Kind kind, std::string text = {}) {
    LocatedValue value;
    value.kind = kind;
    value.text = std::move(text);
    return value;
}

/// Receives nlohmann's events and builds the tree. nlohmann reports no positions with its events,
/// so a scanner walks the same text beside it, one token an event.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
   public:
    TreeBuilder(std::string_view text, std::size_t file) : scanner_(text, file), text_(text) {}

    bool null() override { return add(make(Kind::null)); }
    bool boolean(bool value) override {
        LocatedValue made = make(Kind::boolean);
        made.boolean = value;
        return add(std::move(made));
    }
    bool number_integer(std::int64_t) override { return add(make(Kind::number)); }
    bool number_unsigned(std::uint64_t) override { return add(make(Kind::number)); }
    bool number_float(double, const std::string&) override { return add(make(Kind::number)); }
    bool string(std::string& value) override { return add(make(Kind::string, std::move(value))); }
    bool binary(nlohmann::json::binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Kind::object); }
    bool start_array(std::size_t) override { return open(Kind::array); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(std::string& key) override {
        const Place place = scanner_.next().place;
        if (!keys_.back().insert(key).second) {
            problem_ = {place, pointer() + pointer_step(key),
                        fmt::format("the key {} is given twice in this object; remove one of them",
                                    json_quote(key))};
            return false;
        }
        open_.back()->members.push_back({std::move(key), place, {}});
        after_key_ = true;
        return true;
    }

    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception& error) override {
        SyntaxContext context;
        context.text = text_;
        context.last_token_end = scanner_.offset();
        context.gap = scanner_.gap();
        context.container = open_.empty() ? nullptr : open_.back();
        context.after_key = after_key_;
        context.parser_says = error.what();
        problem_ = {scanner_.place_of(context.gap.end), pointer(), syntax_hint(context)};
        return false;
    }

    LocatedValue take() { return std::move(root_); }
    [[nodiscard]] SyntaxProblem problem() const { return *problem_; }

   private:
    bool add(LocatedValue value) {
        (void)place(std::move(value));
        return true;
    }
    bool open(Kind kind) {
        LocatedValue* placed = place(make(kind));
        if (open_.size() == max_json_depth) {
            problem_ = {placed->place, pointer_below(open_.size()),
                        fmt::format("nested more than {} levels deep", max_json_depth)};
            return false;
        }
        open_.push_back(placed);
        keys_.emplace_back();
        return true;
    }
    bool close() {
        (void)scanner_.next();
        open_.pop_back();
        keys_.pop_back();
        return true;
    }

    /// Puts a value where it belongs. Addresses in open_ stay valid: only the innermost container
    /// grows.
    LocatedValue* place(LocatedValue value) {
        const JsonScanner::Token token = scanner_.next();
        after_key_ = false;
        value.place = token.place;
        if (value.kind == Kind::number) value.text = token.text;
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        LocatedValue& parent = *open_.back();
        if (parent.kind == Kind::array) return &parent.items.emplace_back(std::move(value));
        parent.members.back().value = std::move(value);
        return &parent.members.back().value;
    }

    /// Of the innermost open container.
    [[nodiscard]] std::string pointer() const {
        return open_.empty() ? std::string() : pointer_below(open_.size() - 1);
    }
    /// Of the latest child of the `depth`-th open container.
    [[nodiscard]] std::string pointer_below(std::size_t depth) const {
        std::string text;
        for (std::size_t i = 0; i < depth; ++i) {
            const LocatedValue& outer = *open_[i];
            text += outer.kind == Kind::array ? fmt::format("/{}", outer.items.size() - 1)
                                              : pointer_step(outer.members.back().key);
        }
        return text;
    }

    JsonScanner scanner_;
    std::string_view text_;
    LocatedValue root_;
    std::vector<LocatedValue*> open_;
    std::vector<std::set<std::string>> keys_;  ///< of the open containers
    bool after_key_ = false;
    std::optional<SyntaxProblem> problem_;
};

void dump_to(const LocatedValue& value, std::string& out) {
    const auto join = [&out](const auto& list, char open, char close, auto one) {
        out += open;
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (i > 0) out += ',';
            one(list[i]);
        }
        out += close;
    };
    switch (value.kind) {
        case Kind::null:
            out += "null";
            break;
        case Kind::boolean:
            out += value.boolean ? "true" : "false";
            break;
        case Kind::number:
            out += value.text;
            break;
        case Kind::string:
            out += json_quote(value.text);
            break;
        case Kind::array:
            join(value.items, '[', ']', [&](const LocatedValue& item) { dump_to(item, out); });
            break;
        case Kind::object:
            join(value.members, '{', '}', [&](const LocatedMember& member) {
                out += json_quote(member.key) + ':';
                dump_to(member.value, out);
            });
            break;
    }
}

}  // namespace

const LocatedValue* LocatedValue::find(std::string_view key) const {
    const auto it = std::ranges::find(members, key, &LocatedMember::key);
    return it == members.end() ? nullptr : &it->value;
}

std::string LocatedValue::describe() const {
    switch (kind) {
        case Kind::null:
            return "null";
        case Kind::boolean:
            return boolean ? "true" : "false";
        case Kind::number:
            return fmt::format("the number {}", text.substr(0, longest_echo));
        case Kind::string:
            if (text.size() > longest_echo) return "a long string";
            return fmt::format("the string {}", json_quote(text));
        case Kind::array:
            return "an array";
        case Kind::object:
            return "an object";
    }
    return {};
}

std::string LocatedValue::dump() const {
    std::string out;
    dump_to(*this, out);
    return out;
}

std::expected<LocatedValue, SyntaxProblem> parse_located_json(std::string_view text,
                                                              std::size_t file) {
    const Place start{file, 1, 1};
    if (text.size() > max_json_bytes) {
        return std::unexpected(
            SyntaxProblem{start, "",
                          fmt::format("the file has {} bytes; at most {} are read", text.size(),
                                      max_json_bytes)});
    }
    TreeBuilder builder(text, file);
    constexpr bool whole_text = true, comments = true;
    if (!nlohmann::json::sax_parse(text, &builder, nlohmann::json::input_format_t::json, whole_text,
                                   comments))
        return std::unexpected(builder.problem());
    return builder.take();
}

std::string pointer_step(std::string_view key) {
    std::string step = "/";
    for (const char c : key) {
        if (c == '~')
            step += "~0";
        else if (c == '/')
            step += "~1";
        else
            step += c;
    }
    return step;
}

std::string json_quote(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace overlab
