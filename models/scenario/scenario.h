// Scenario: one experiment as a value. scenarios/schema.json describes the file; this is what
// parsing makes of it: units resolved, defaults filled in, names resolved to indexes, generators
// expanded, hosts sorted by name so that the file's order cannot reach a result.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "models/fault/fault.h"
#include "models/lease/network_config.h"
#include "models/net/address.h"

namespace overlab {

struct UnderlayNode {
    enum class Kind : std::uint8_t {
        host,
        switch_,  ///< layer 2: part of one segment, no address, no TTL
        router,   ///< layer 3: an address on every segment it touches, takes one off the TTL
    };
    std::string name;
    Kind kind = Kind::host;
    std::optional<Ipv4Address> address;  ///< hosts only: given in the file; else assigned
    unsigned cores = 0;                  ///< hosts only; 0: the cost profile's
    bool runs_node = true;               ///< false: a store-only or bystander host

    friend bool operator==(const UnderlayNode&, const UnderlayNode&) = default;
};

struct UnderlayLink {
    std::string name;          ///< `a--b`, ends in the file's order; unique
    std::size_t a = 0, b = 0;  ///< indexes into Underlay::nodes
    std::uint64_t rate_bps = 10'000'000'000;
    Duration delay = microseconds(5);
    std::uint64_t queue_bytes = 1'000'000;  ///< drop-tail, per direction
    std::uint32_t loss_ppb = 0;             ///< lost segments per 1e9, per direction
    std::uint32_t mtu = 1500;

    friend bool operator==(const UnderlayLink&, const UnderlayLink&) = default;
};

struct Underlay {
    std::vector<UnderlayNode> nodes;  ///< sorted by name
    std::vector<UnderlayLink> links;  ///< sorted by name
    Ipv4Prefix address_pool;          ///< segments take their prefixes from here, in order

    friend bool operator==(const Underlay&, const Underlay&) = default;
};

struct StoreSpec {
    /// What serves the leases in a world with real sockets: our own store, or an etcd process. A
    /// simulation has a model of etcd either way.
    enum class Kind : std::uint8_t { embedded, etcd } kind = Kind::embedded;
    std::size_t host = 0;  ///< index of the underlay node it runs on
    unsigned members = 1;
    Duration lease_ttl = hours(24);
    Duration service_time = microseconds(200);  ///< per write (fsync); reads take a tenth
    std::uint32_t watch_batch = 100;            ///< events per watch response at most

    friend bool operator==(const StoreSpec&, const StoreSpec&) = default;
};

struct PodSpec {
    std::string name;
    std::size_t host = 0;

    friend bool operator==(const PodSpec&, const PodSpec&) = default;
};

struct TrafficSpec {
    enum class Kind : std::uint8_t { tcp, udp, request_response, on_off };
    std::string name;
    std::size_t from = 0, to = 0;  ///< indexes into Scenario::pods
    Kind kind = Kind::tcp;
    Duration start = seconds(1);
    std::optional<Duration> stop;    ///< end of the run if absent
    unsigned streams = 1;            ///< tcp
    std::uint64_t bytes = 0;         ///< tcp: 0 is unlimited
    std::uint64_t rate_bps = 0;      ///< udp, on_off: payload rate
    std::uint32_t packet_bytes = 0;  ///< udp: payload; 0 fills the overlay MTU
    std::uint32_t request_bytes = 64, response_bytes = 64;
    bool over_tcp = false;  ///< request_response: one TCP connection instead of UDP
    Duration interval;      ///< request_response: 0 is back to back, else open loop
    Duration on, off;       ///< on_off: mean lengths (exponential)

    friend bool operator==(const TrafficSpec&, const TrafficSpec&) = default;
};

/// `expect`: one metric within bounds. Numbers are in the metric's own unit.
struct Expectation {
    std::string of;  ///< a traffic name, a host name, a fault's name, or "network"
    std::string metric;
    std::optional<double> min, max;
    std::string backend;  ///< only for this backend; empty: all
    std::string world;    ///< only in this world (`sim`, `control`, `kernel`, `vm`); empty: all

    friend bool operator==(const Expectation&, const Expectation&) = default;
};

struct SimOptions {
    bool super_segments = true;  ///< TCP sends like TSO; off for reference runs
    std::string cost_profile = "laptop";
    bool cpu_model = true;
    std::uint32_t pod_window_bytes = 4'194'304;  ///< TCP send and receive buffer
    Duration audit_interval = seconds(30);

    friend bool operator==(const SimOptions&, const SimOptions&) = default;
};

struct Scenario {
    std::string name, description;
    std::uint64_t seed = 1;
    Duration duration = seconds(10);
    std::string network_json;  ///< net-conf.json as given (compact), what the store holds
    NetworkConfig network;
    Underlay underlay;
    StoreSpec store;
    std::vector<PodSpec> pods;         ///< sorted by name
    std::vector<TrafficSpec> traffic;  ///< sorted by name
    std::vector<FaultSpec> faults;     ///< sorted by time, then name
    /// Known faults of other systems, switched on (models/defect/defect.h); sorted, each once.
    std::vector<std::string> defects;
    bool large = false;  ///< takes minutes: `check` leaves it out unless asked
    std::vector<Expectation> expect;
    Duration boot_spread;  ///< nodes start at seeded instants in [0, boot_spread]
    SimOptions sim;
    std::vector<std::string> compare_backends;  ///< `compare`: {"network.Backend.Type": [...]}
    /// A ready-made `Backend` object (JSON) for each type in compare_backends; where `compare` is
    /// absent also for types that are run only if asked for.
    std::map<std::string, std::string> compare_backend_json;

    /// `network` is what `network_json` says, so the text stands for both.
    [[nodiscard]] bool operator==(const Scenario& other) const;
};

/// One wrong place in a scenario file.
struct Problem {
    std::string file;
    std::string pointer;       ///< JSON pointer, `/underlay/links/3/rate`
    int line = 0, column = 0;  ///< 1-based; 0 if unknown
    std::string message;  ///< what is wrong, what was expected, what to do (one or two sentences)
    /// `scenarios/x.json:12:5: /underlay/links/3/rate: message`
    [[nodiscard]] std::string to_string() const;
};

struct ParsedScenario {
    std::optional<Scenario> scenario;  ///< set exactly when problems is empty
    std::vector<Problem> problems;     ///< in the file's order; at most 20
    std::vector<Problem> warnings;
};

/// Reads the text of an include; models/ has no files. Errors are reported at the include's place.
using IncludeReader = std::function<Result<std::string>(const std::string& path)>;

/// Never throws. `file` is used in messages only.
[[nodiscard]] ParsedScenario parse_scenario(std::string_view text, const std::string& file,
                                            const IncludeReader& include);

/// The scenario with another backend: `network_json` and `network` replaced, nothing else. `type`
/// must be one of compare_backends or the scenario's own.
[[nodiscard]] Result<Scenario> with_backend(const Scenario& scenario, const std::string& type);

}  // namespace overlab
