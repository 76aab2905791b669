#include "results/report_difference.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "models/base/check.h"
#include "results/report_codec.h"

namespace overlab {
namespace {

using Json = nlohmann::json;

/// Long enough for a warning, too short for a list.
constexpr std::size_t longest_value = 100;

std::string value_at(const Json& document, const Json::json_pointer& place) {
    if (!document.contains(place)) return "nothing";
    std::string text =
        document.at(place).dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
    if (text.size() > longest_value) text = text.substr(0, longest_value - 3) + "...";
    return text;
}

}  // namespace

std::optional<std::string> report_difference(const RunReport& first, const RunReport& second) {
    if (encode_report(first) == encode_report(second)) return std::nullopt;
    const Json a = report_to_json(first);
    const Json b = report_to_json(second);
    const Json patch = Json::diff(a, b);
    // Only octets that are no UTF-8 are lost between text and document: these may differ alone.
    if (patch.empty()) return "text that is not UTF-8";
    std::string path = patch.front().at("path").get<std::string>();
    // An element more, as `diff` writes it (RFC 6902 §4.1), is in no document by that name.
    if (path.ends_with("/-")) path.resize(path.size() - 2);
    const Json::json_pointer place(path);
    return fmt::format("{}: {} and {}", path, value_at(a, place), value_at(b, place));
}

}  // namespace overlab
