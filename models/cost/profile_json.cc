// Cost profiles from JSON: strict, because a mistyped stage would silently cost nothing. Every
// message starts with the JSON pointer of the wrong place.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "models/base/embedded.h"
#include "models/base/suggest.h"
#include "models/cost/cost_profile.h"

namespace overlab {

namespace {

using nlohmann::json;

constexpr unsigned max_cores = 1024;
/// One second a packet: far beyond any host, and far from overflowing 64 bits with 64 KiB.
constexpr std::uint32_t max_cost_ns = 1'000'000'000;

std::unexpected<Error> wrong(const std::string& pointer, const std::string& what) {
    return fail(ErrorKind::invalid_argument, fmt::format("cost profile: {}: {}", pointer, what));
}

/// Reads the members of one object; remembers the first error.
class Fields {
   public:
    Fields(const json& object, std::string pointer)
        : object_(object), pointer_(std::move(pointer)) {
        if (!object_.is_object()) fail_at("", "expected an object");
    }

    void text(std::string_view key, std::string& into) {
        const json* value = find(key, true);
        if (value == nullptr) return;
        if (!value->is_string() || value->get_ref<const std::string&>().empty()) {
            return fail_at(key, "expected a string that is not empty");
        }
        into = value->get<std::string>();
    }

    void number(std::string_view key, std::uint32_t& into, std::uint32_t min, std::uint32_t max,
                bool required) {
        const json* value = find(key, required);
        if (value == nullptr) return;
        if (!value->is_number_unsigned() || value->get<std::uint64_t>() < min ||
            value->get<std::uint64_t>() > max) {
            return fail_at(key, fmt::format("expected an integer from {} to {}", min, max));
        }
        into = value->get<std::uint32_t>();
    }

    void flag(std::string_view key, bool& into) {
        const json* value = find(key, false);
        if (value == nullptr) return;
        if (!value->is_boolean()) return fail_at(key, "expected true or false");
        into = value->get<bool>();
    }

    const json* find(std::string_view key, bool required) {
        known_.push_back(key);
        if (error_ || !object_.is_object()) return nullptr;
        const auto found = object_.find(std::string(key));
        if (found != object_.end()) return &*found;
        if (required) fail_at(key, "missing");
        return nullptr;
    }

    /// The first error, or the first key that nobody asked for.
    [[nodiscard]] Result<bool> finish() {
        if (!error_) {
            for (const auto& [key, value] : object_.items()) {
                if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
                    fail_at(key, "unknown key" + did_you_mean(key, known_));
                    break;
                }
            }
        }
        if (error_) return std::unexpected(*error_);
        return true;
    }

   private:
    void fail_at(std::string_view key, const std::string& what) {
        if (error_) return;
        const std::string place = key.empty() ? pointer_ : fmt::format("{}/{}", pointer_, key);
        error_ = wrong(place.empty() ? "/" : place, what).error();
    }

    const json& object_;
    std::string pointer_;
    std::vector<std::string_view> known_;
    std::optional<Error> error_;
};

Result<StageCost> parse_stage(const json& value, const std::string& pointer) {
    StageCost cost;
    Fields fields(value, pointer);
    fields.number("per_aggregate_ns", cost.per_aggregate_ns, 0, max_cost_ns, false);
    fields.number("per_segment_ns", cost.per_segment_ns, 0, max_cost_ns, false);
    fields.number("per_byte_ps", cost.per_byte_ps, 0, max_cost_ns, false);
    fields.flag("segments_apart", cost.segments_apart);
    fields.flag("single_core", cost.single_core);
    OVERLAB_TRY([[maybe_unused]] const bool ok, fields.finish());
    return cost;
}

Result<bool> parse_stages(const json& value, CostProfile& profile) {
    Fields fields(value, "/stages");
    for (std::size_t i = 0; i < cost_stage_count; ++i) {
        const std::string_view name = to_string(static_cast<CostStage>(i));
        const json* stage = fields.find(name, true);
        if (stage == nullptr) continue;
        OVERLAB_TRY(profile.stages[i], parse_stage(*stage, fmt::format("/stages/{}", name)));
    }
    return fields.finish();
}

/// nlohmann keeps the last of two equal keys; we refuse the text instead.
class DuplicateKeys {
   public:
    bool operator()(int depth, json::parse_event_t event, json& parsed) {
        const auto level = static_cast<std::size_t>(depth);
        if (event == json::parse_event_t::object_start) {
            seen_.resize(level + 1);
            seen_[level].clear();
        } else if (event == json::parse_event_t::key) {
            auto& keys = seen_[level - 1];
            const auto& key = parsed.get_ref<const std::string&>();
            if (std::find(keys.begin(), keys.end(), key) != keys.end()) duplicate_ = key;
            keys.push_back(key);
        }
        return true;
    }
    [[nodiscard]] const std::string& first() const { return duplicate_; }

   private:
    std::vector<std::vector<std::string>> seen_;
    std::string duplicate_;
};

constexpr std::string_view folder = "models/cost/";
constexpr std::string_view suffix = ".json";

}  // namespace

Result<CostProfile> parse_cost_profile(std::string_view text) {
    DuplicateKeys duplicates;
    const json root = json::parse(text, std::ref(duplicates), /*allow_exceptions=*/false);
    if (root.is_discarded()) return wrong("/", "not a JSON document");
    if (!duplicates.first().empty()) {
        return wrong("/", fmt::format("key \"{}\" is given twice", duplicates.first()));
    }
    CostProfile profile;
    Fields fields(root, "");
    fields.text("name", profile.name);
    fields.text("source", profile.source);
    std::uint32_t cores = profile.cores;
    fields.number("cores", cores, 1, max_cores, true);
    profile.cores = cores;
    fields.number("max_backlog", profile.max_backlog, 1, 1'000'000, true);
    fields.number("max_aggregate_segments", profile.max_aggregate_segments, 1, 65535, true);
    fields.number("wakeup_ns", profile.wakeup_ns, 0, max_cost_ns, true);
    const json* stages = fields.find("stages", true);
    OVERLAB_TRY([[maybe_unused]] const bool ok, fields.finish());
    OVERLAB_TRY([[maybe_unused]] const bool all, parse_stages(*stages, profile));
    return profile;
}

std::vector<std::string> built_in_cost_profiles() {
    std::vector<std::string> names;
    for (const std::string_view path : embedded::paths()) {
        if (!path.starts_with(folder) || !path.ends_with(suffix)) continue;
        names.emplace_back(path.substr(folder.size(), path.size() - folder.size() - suffix.size()));
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<CostProfile> built_in_cost_profile(std::string_view name) {
    const std::string_view text = embedded::text(fmt::format("{}{}{}", folder, name, suffix));
    if (!text.empty()) return parse_cost_profile(text);
    const std::vector<std::string> names = built_in_cost_profiles();
    const std::vector<std::string_view> views(names.begin(), names.end());
    return fail(ErrorKind::not_found,
                fmt::format("cost profile \"{}\": unknown{}; there are: {}", name,
                            did_you_mean(name, views), fmt::join(views, ", ")));
}

}  // namespace overlab
