// History: what happens to the leases and hosts of one small cluster, as a value: where the hosts
// are, the network's configuration, and steps. Everything that is drawn while it runs (VTEP MACs,
// subnets) follows from its seed, so that it can be run again, saved, and made smaller.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/crosscheck/kernel_side.h"

namespace overlab {

/// A probe from the pod of one host towards another host.
struct HistoryProbe {
    enum class Target : std::uint8_t {
        pod,         ///< the other host's
        absent_pod,  ///< an address of the other host's subnet that no pod has
        nowhere      ///< an address of the overlay network that should be in no lease
    };
    std::size_t from = 0, to = 0;  ///< hosts, not the same one
    Target target = Target::pod;
    std::uint32_t size = 84;  ///< at most the pod's MTU counts
    bool dont_fragment = true;
    std::uint8_t ttl = 64;

    friend bool operator==(const HistoryProbe&, const HistoryProbe&) = default;
};

struct HistoryStep {
    enum class Kind : std::uint8_t {
        start,          ///< an agent starts, or starts again on what the last one left
        stop,           ///< ends and gives its lease back
        kill,           ///< ends; its lease lives on
        wait,           ///< time passes until every agent has audited its host
        expire,         ///< time passes until leases that nobody renews have expired
        rewrite,        ///< somebody writes `value` over the host's lease
        foreign,        ///< somebody writes a lease of no host: `key` and `value`
        malformed,      ///< the same, and it is none
        remove,         ///< somebody deletes `key`
        compact,        ///< watches break, `key` is written, history is compacted: fresh snapshots
        meddle_delete,  ///< an operator deletes a row
        meddle_change,  ///< ... or changes one
    };
    Kind kind = Kind::wait;
    std::size_t host = 0;    ///< start, stop, kill, rewrite, meddle_*
    std::uint32_t pick = 0;  ///< meddle_*: which row, counted round
    std::string key;         ///< as in the store, after `subnets/`
    std::string value;
    std::vector<HistoryProbe> probes;  ///< afterwards

    friend bool operator==(const HistoryStep&, const HistoryStep&) = default;
};

/// In the order of the enum.
inline constexpr std::array<std::string_view, 12> history_step_names{
    "start",   "stop",      "kill",   "wait",    "expire",        "rewrite",
    "foreign", "malformed", "remove", "compact", "meddle_delete", "meddle_change",
};
[[nodiscard]] std::string_view to_string(HistoryStep::Kind kind);

struct History {
    std::uint64_t seed = 1;
    CrossLayout layout;
    std::string network_json;  ///< flannel's net-conf.json
    std::vector<HistoryStep> steps;

    friend bool operator==(const History&, const History&) = default;
};

inline constexpr std::size_t max_history_hosts = 16;
inline constexpr std::size_t max_history_steps = 1000;

/// A JSON object; keys sorted.
[[nodiscard]] std::string encode_history(const History& history);
/// The inverse. Errors: invalid_argument, naming the place: indexes that lead nowhere, addresses
/// outside their segment, a network that is no configuration, too many of anything.
[[nodiscard]] Result<History> decode_history(std::string_view json);

}  // namespace overlab
