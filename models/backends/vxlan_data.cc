#include "models/backends/vxlan_data.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace overlab {
namespace {

constexpr std::uint32_t max_vni = 0xff'ffff;  // RFC 7348 §5: 24 bits

std::unexpected<Error> bad(std::string_view json, std::string_view problem) {
    return fail(ErrorKind::invalid_argument, fmt::format("BackendData `{}`: {}", json, problem));
}

/// Takes `literal` off the front of `text`.
bool skip(std::string_view& text, std::string_view literal) {
    if (!text.starts_with(literal)) return false;
    text.remove_prefix(literal.size());
    return true;
}

/// The form that every vxlan host of today writes, without a JSON parser: a cluster of n hosts
/// reads n² of them. Anything else goes the general way.
std::optional<VxlanData> parse_canonical(std::string_view json) {
    constexpr std::size_t mac_length = 17;
    if (!skip(json, R"({"VNI":)")) return std::nullopt;
    std::uint32_t vni = 0;
    const auto [end, code] = std::from_chars(json.begin(), json.end(), vni);
    if (code != std::errc{}) return std::nullopt;
    json.remove_prefix(static_cast<std::size_t>(end - json.begin()));
    if (!skip(json, R"(,"VtepMAC":")")) return std::nullopt;
    const Result<MacAddress> mac = MacAddress::parse(json.substr(0, mac_length));
    if (!mac || json.substr(mac_length) != R"("})") return std::nullopt;
    return VxlanData{vni, *mac};
}

Result<VxlanData> parse_general(std::string_view text) {
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return bad(text, "no JSON object");
    VxlanData data;
    if (const auto vni = json.find("VNI"); vni != json.end()) {
        if (!vni->is_number_unsigned() || vni->get<std::uint64_t>() > max_vni) {
            return bad(text, "VNI is no number in 0..16777215");
        }
        data.vni = vni->get<std::uint32_t>();
    }
    const auto mac = json.find("VtepMAC");
    if (mac == json.end() || !mac->is_string()) return bad(text, "no VtepMAC");
    Result<MacAddress> parsed = MacAddress::parse(mac->get<std::string>());
    if (!parsed) return bad(text, parsed.error().what);
    data.mac = *parsed;
    return data;
}

}  // namespace

std::string to_json(const VxlanData& data) {
    const std::string vni = data.vni ? fmt::format(R"("VNI":{},)", *data.vni) : "";
    return fmt::format(R"({{{}"VtepMAC":"{}"}})", vni, data.mac.to_string());
}

Result<VxlanData> parse_vxlan_data(std::string_view json) {
    if (json.empty()) {
        return fail(ErrorKind::invalid_argument,
                    "BackendData is missing, so its VTEP MAC is unknown");
    }
    const std::optional<VxlanData> canonical = parse_canonical(json);
    Result<VxlanData> data = canonical ? Result<VxlanData>(*canonical) : parse_general(json);
    if (!data) return data;
    if (data->vni && *data->vni > max_vni) return bad(json, "VNI is no number in 0..16777215");
    if (data->mac.is_multicast() || data->mac.bits == 0) {
        return bad(json, "VtepMAC is no unicast address");
    }
    return data;
}

}  // namespace overlab
