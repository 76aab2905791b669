// Golden: what a scenario gave when somebody last looked at it and said that it is right. One text
// file a scenario beside it, one part a backend, made to be reviewed in a diff:
//
//   run vxlan
//   digest 5d41402abc4b2a76b9719d911017c592...
//   warning link h1--switch: corruption is not modelled
//   unreachable h1 to h3: peer behind a router
//   measured network converged_ns 82013000
//   host h1
//     link flannel.1 vxlan vni 1 local 10.0.0.1 dev eth0 port 8472 mtu 1450 mac 02:...
//     route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
//
// The digest is over the whole report, rows too; the rest is there so that a person sees what is
// behind a digest that changed. More than max_hosts_in_rows hosts have a digest of their rows each,
// more than max_hosts_named one together.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/measure/run_report.h"

namespace overlab {

inline constexpr std::size_t max_hosts_in_rows = 16, max_hosts_named = 256;
/// More pairs that cannot talk have a digest together.
inline constexpr std::size_t max_pairs_listed = 64;
/// Flows, of those a report has, whose measures are listed.
inline constexpr std::size_t max_flows_measured = 16;

struct GoldenHost {
    std::string name;
    std::vector<std::string> rows;
    std::string rows_digest;  ///< `12 rows 5d41402abc4b2a76`, instead of `rows`

    friend bool operator==(const GoldenHost&, const GoldenHost&) = default;
};

struct GoldenRun {
    std::string backend;
    std::string unavailable;  ///< the world cannot run it, and why; then all else is empty
    std::string digest;       ///< SHA-256 of the encoded report
    std::vector<std::string> warnings, unreachable, measured;
    std::vector<GoldenHost> hosts;  ///< by name
    std::string all_hosts;          ///< `5000 hosts 5d41402abc4b2a76`, instead of `hosts`

    friend bool operator==(const GoldenRun&, const GoldenRun&) = default;
};

struct Golden {
    std::vector<GoldenRun> runs;  ///< in the order in which they are run

    [[nodiscard]] const GoldenRun* find(std::string_view backend) const;
    friend bool operator==(const Golden&, const Golden&) = default;
};

/// SHA-256 as hexadecimal; results/ has none of its own.
using DigestFunction = std::function<std::string(std::string_view)>;

/// `report` was made with RunOptions::keep_forwarding.
[[nodiscard]] GoldenRun golden_of(const RunReport& report, const DigestFunction& sha256);

/// The file. `command` rewrites it and stands in its head.
[[nodiscard]] std::string golden_text(const Golden& golden, std::string_view command);
/// Errors: invalid_argument with the line's number.
[[nodiscard]] Result<Golden> parse_golden(std::string_view text);

/// One thing in which a run is not as recorded.
struct GoldenDifference {
    std::string what;                ///< `host h1: 1 row gone`
    std::vector<std::string> lines;  ///< `- ` was recorded, `+ ` is so now
};
/// Empty exactly if the two are equal.
[[nodiscard]] std::vector<GoldenDifference> golden_difference(const GoldenRun& recorded,
                                                              const GoldenRun& now);

}  // namespace overlab
