#include "real/agent/agent_message.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace overlab::real {
namespace {

using Json = nlohmann::json;

constexpr std::array<const char*, 6> kind_names{"ready",  "lease",  "remark",
                                                "status", "failed", "rows"};

/// Calls `visit(name, member)` for each field, so that writer and reader cannot disagree.
template <typename Status, typename Visit>
void visit_status(Status& status, Visit visit) {
    visit("converged", status.converged);
    visit("forwarding", status.forwarding);
    visit("last_change_ns", status.last_change_ns);
    visit("lease", status.lease);
    visit("lease_acquired_ns", status.lease_acquired_ns);
    visit("overlay_mtu", status.overlay_mtu);
    visit("peers", status.peers);
    visit("rows", status.rows);
    visit("store_bytes", status.store_bytes);
    visit("store_messages", status.store_messages);
    visit("unsupported", status.unsupported);
}

AgentMessage from_json(const Json& json) {
    AgentMessage message;
    const auto kind = json.at("kind").get<std::string>();
    for (std::size_t i = 0; i < kind_names.size(); ++i) {
        if (kind == kind_names[i]) message.kind = static_cast<AgentMessage::Kind>(i);
    }
    json.at("at_ns").get_to(message.at_ns);
    if (json.contains("text")) json.at("text").get_to(message.text);
    if (message.kind == AgentMessage::Kind::lease) {
        if (const auto subnet = Ipv4Prefix::parse(json.at("subnet").get<std::string>()))
            message.subnet = *subnet;
        json.at("mtu").get_to(message.mtu);
    }
    if (message.kind == AgentMessage::Kind::rows) {
        json.at("row_count").get_to(message.row_count);
        json.at("store_messages").get_to(message.store_messages);
        json.at("converged").get_to(message.converged);
    }
    if (message.kind == AgentMessage::Kind::status) {
        visit_status(message.status, [&json](const char* name, auto& member) {
            json.at("status").at(name).get_to(member);
        });
    }
    return message;
}

}  // namespace

std::string encode(const AgentMessage& message) {
    Json json{{"at_ns", message.at_ns},
              {"kind", kind_names[static_cast<std::size_t>(message.kind)]}};
    if (!message.text.empty()) json["text"] = message.text;
    if (message.kind == AgentMessage::Kind::lease) {
        json["subnet"] = message.subnet.to_string();
        json["mtu"] = message.mtu;
    }
    if (message.kind == AgentMessage::Kind::rows) {
        json["row_count"] = message.row_count;
        json["store_messages"] = message.store_messages;
        json["converged"] = message.converged;
    }
    if (message.kind == AgentMessage::Kind::status) {
        visit_status(message.status, [&json](const char* name, const auto& member) {
            json["status"][name] = member;
        });
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<AgentMessage> decode_agent_message(std::string_view line) {
    try {
        return from_json(Json::parse(line));
    } catch (const Json::exception& problem) {
        return fail(ErrorKind::invalid_argument, fmt::format("agent message: {}", problem.what()));
    }
}

}  // namespace overlab::real
