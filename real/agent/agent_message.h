// AgentMessage: what an agent process tells the world that started it, one JSON document a line.
// Times are the loop's instants; agents and world share an epoch.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"

namespace overlab::real {

/// The agent's whole state, when asked for.
struct AgentStatus {
    std::string lease;  ///< `10.244.3.0/24`, empty: none held
    bool converged = false;
    std::uint64_t peers = 0;
    std::uint64_t rows = 0;
    std::uint32_t overlay_mtu = 0;
    std::int64_t lease_acquired_ns = -1;
    std::int64_t last_change_ns = 0;  ///< when rows last changed
    std::uint64_t store_messages = 0, store_bytes = 0;
    std::map<std::string, std::string> unsupported;  ///< peer subnet -> why it has no rows
    std::string forwarding;                          ///< the dump's text, SAs included
};

struct AgentMessage {
    enum class Kind : std::uint8_t {
        ready,   ///< everything is in place; waits for start
        lease,   ///< a lease was acquired: `subnet` and `mtu` are set
        remark,  ///< `text`: something a person should know
        status,  ///< the answer to a question
        failed,  ///< the agent cannot work and ends: `text`
        rows,    ///< rows were installed or withdrawn, `row_count` of them
    };
    Kind kind = Kind::ready;
    std::int64_t at_ns = 0;
    std::string text;
    Ipv4Prefix subnet;
    std::uint32_t mtu = 0;
    std::uint64_t row_count = 0;
    std::uint64_t store_messages = 0;  ///< rows: to and from the store so far
    bool converged = false;            ///< rows: nothing waits to be tried again
    AgentStatus status;
};

[[nodiscard]] std::string encode(const AgentMessage& message);  ///< without the line's end
/// Errors: invalid_argument.
[[nodiscard]] Result<AgentMessage> decode_agent_message(std::string_view line);

}  // namespace overlab::real
