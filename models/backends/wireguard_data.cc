#include "models/backends/wireguard_data.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace overlab {
namespace {

std::unexpected<Error> bad(std::string_view json, std::string_view problem) {
    return fail(ErrorKind::invalid_argument, fmt::format("BackendData `{}`: {}", json, problem));
}

}  // namespace

std::string to_json(const WireguardData& data) {
    const std::string port = data.port ? fmt::format(R"(,"Port":{})", *data.port) : "";
    return fmt::format(R"({{"PublicKey":"{}"{}}})", data.public_key.to_string(), port);
}

Result<WireguardData> parse_wireguard_data(std::string_view text) {
    if (text.empty()) {
        return fail(ErrorKind::invalid_argument,
                    "BackendData is missing, so its public key is unknown");
    }
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return bad(text, "no JSON object");
    const auto key = json.find("PublicKey");
    if (key == json.end() || !key->is_string()) return bad(text, "no PublicKey");
    const Result<WireguardKey> parsed = WireguardKey::parse(key->get<std::string>());
    if (!parsed) return bad(text, "PublicKey is no key");
    if (parsed->is_zero()) return bad(text, "PublicKey is zero, which nobody has");
    WireguardData data{*parsed, std::nullopt};
    const auto port = json.find("Port");
    if (port == json.end() || port->is_null()) return data;
    if (!port->is_number_unsigned() || port->get<std::uint64_t>() > 0xffff ||
        port->get<std::uint64_t>() == 0) {
        return bad(text, "Port is no number in 1..65535");
    }
    data.port = port->get<std::uint16_t>();
    return data;
}

}  // namespace overlab
