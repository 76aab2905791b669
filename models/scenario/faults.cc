#include "models/scenario/faults.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "models/base/check.h"
#include "models/lease/field_reader.h"
#include "models/lease/network_config.h"
#include "models/scenario/backend_choice.h"
#include "models/scenario/fault_keys.h"
#include "models/scenario/located_json.h"
#include "models/scenario/units.h"
#include "models/scenario/workload.h"
#include "models/underlay/graph.h"

namespace overlab {
namespace {

using Kind = FaultSpec::Kind;

constexpr std::uint64_t hour_ns = 3'600'000'000'000;
constexpr QuantityRange length_range{1, 720 * hour_ns, "1ns to 720h"};
constexpr QuantityRange offset_range{0, 87'600 * hour_ns, "0s to 87600h"};
constexpr QuantityRange step_range{0, hour_ns, "0s to 1h"};
constexpr std::uint32_t most_loss_ppb = 999'999'999;
constexpr unsigned shortest_foreign_prefix = 8;

Kind kind_of(const std::string& word) {
    const auto* const name = std::ranges::find(fault_kind_names, word);
    CHECK(name != fault_kind_names.end());  // the schema has the same list
    return static_cast<Kind>(name - fault_kind_names.begin());
}

FaultSpec::Rows rows_of(const std::string& word) {
    const auto* const name = std::ranges::find(fault_rows_names, word);
    CHECK(name != fault_rows_names.end());
    return static_cast<FaultSpec::Rows>(name - fault_rows_names.begin());
}

/// Digits compare as numbers, so that fault-9 comes before fault-10.
bool comes_before(std::string_view a, std::string_view b) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto take_number = [&](std::string_view& text) {
        const auto end = std::ranges::find_if_not(text, is_digit);
        std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
        text.remove_prefix(digits.size());
        while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
        return digits;
    };
    std::string_view x = a, y = b;
    while (!x.empty() && !y.empty()) {
        if (is_digit(x.front()) && is_digit(y.front())) {
            const std::string_view m = take_number(x), n = take_number(y);
            if (m != n) return std::pair(m.size(), m) < std::pair(n.size(), n);
            continue;
        }
        if (x.front() != y.front()) return x.front() < y.front();
        x.remove_prefix(1);
        y.remove_prefix(1);
    }
    return std::tuple(!x.empty(), a) < std::tuple(!y.empty(), b);
}

/// Everything that a file can say of a fault: an order that does not depend on the file's.
auto contents_of(const FaultSpec& fault) {
    const LinkChange& change = fault.change;
    return std::tuple(fault.at, fault.kind, fault.name, fault.link, fault.hosts, fault.lasts,
                      std::tuple(change.rate_bps, change.delay, change.loss_ppb, change.mtu,
                                 change.corrupt_ppb, change.duplicate_ppb, change.reorder_ppb),
                      fault.rows, fault.peer, fault.destination, fault.via, fault.address,
                      fault.offset, fault.drift_ppm, fault.key, fault.value, fault.psk, fault.step,
                      fault.restore_from);
}

class FaultReader {
   public:
    explicit FaultReader(const Scenario& scenario) : scenario_(scenario) {}

    /// Nothing (and reported) if its time or what it is about cannot be told.
    std::optional<FaultSpec> read(const JsonCursor& at);

   private:
    bool read_times(const JsonCursor& at, FaultSpec& fault) const;

    // What a kind has beside its times, a group of kinds each. False if something names nothing.
    bool read_details(const JsonCursor& at, FaultSpec& fault);
    bool read_link(const JsonCursor& at, FaultSpec& fault) const;
    static void read_change(const JsonCursor& at, const UnderlayLink& link, LinkChange& change);
    bool read_hosts(const JsonCursor& at, FaultSpec& fault) const;
    void check_host(const JsonCursor& at, Kind kind, std::size_t host) const;
    void read_skew(const JsonCursor& at, FaultSpec& fault) const;
    bool read_rows(const JsonCursor& at, FaultSpec& fault) const;
    bool read_route(const JsonCursor& at, FaultSpec& fault);
    void check_destination(const JsonCursor& at, Ipv4Prefix destination);
    bool read_address(const JsonCursor& at, FaultSpec& fault);
    void check_address(const JsonCursor& at, std::size_t host, Ipv4Address address);
    static void read_write(const JsonCursor& at, FaultSpec& fault);
    void read_rotation(const JsonCursor& at, FaultSpec& fault) const;
    void check_psk(const JsonCursor& at, const FaultSpec& fault) const;

    void need_backend(const JsonCursor& at, Kind kind, const std::string& type) const;
    /// Built when the first fault asks for addresses: large underlays take their time.
    const UnderlayGraph& graph();
    [[nodiscard]] const std::string& name_of(std::size_t node) const {
        return scenario_.underlay.nodes[node].name;
    }

    const Scenario& scenario_;
    std::optional<UnderlayGraph> graph_;
    std::map<Ipv4Address, std::size_t> new_addresses_;  ///< of address_change, to their hosts
};

std::optional<FaultSpec> FaultReader::read(const JsonCursor& at) {
    FaultSpec fault;
    fault.kind = kind_of(at.at("do").text().value_or(""));
    const bool complete = check_fault_keys(at, fault.kind);
    const bool timed = read_times(at, fault);
    fault.name = at.at("name").text().value_or("");
    if (!complete || !timed || !read_details(at, fault)) return std::nullopt;
    return fault;
}

bool FaultReader::read_times(const JsonCursor& at, FaultSpec& fault) const {
    const std::string words =
        fmt::format("0s to just before the run's end at {}", duration_text(scenario_.duration));
    const QuantityRange within{0, static_cast<std::uint64_t>(scenario_.duration.ns) - 1, words};
    const auto begin = at.at("at").duration(within);
    fault.lasts = at.at("for").duration(length_range);
    if (!begin) return false;
    fault.at = *begin;
    if (fault.lasts && fault.at + *fault.lasts > scenario_.duration)
        at.at("for").warning("the run ends before the fault does");
    return true;
}

bool FaultReader::read_details(const JsonCursor& at, FaultSpec& fault) {
    const bool about_hosts = at.has("host") || at.has("hosts");
    if (about_hosts && !read_hosts(at, fault)) return false;
    switch (fault.kind) {
        case Kind::link_down:
        case Kind::link_change:
            return read_link(at, fault);
        case Kind::clock_skew:
            read_skew(at, fault);
            return true;
        case Kind::row_delete:
        case Kind::row_change:
            return read_rows(at, fault);
        case Kind::foreign_route:
            return read_route(at, fault);
        case Kind::address_change:
            return read_address(at, fault);
        case Kind::store_write:
            read_write(at, fault);
            return true;
        case Kind::store_data_loss: {
            const std::string words =
                fmt::format("0s to when the data is lost at {}", duration_text(fault.at));
            fault.restore_from =
                at.at("restore_from").duration({0, static_cast<std::uint64_t>(fault.at.ns), words});
            return true;
        }
        case Kind::key_rotation:
            read_rotation(at, fault);
            return true;
        case Kind::vtep_mac:
            need_backend(at, fault.kind, "vxlan");
            return true;
        case Kind::ike_down:
            need_backend(at, fault.kind, "ipsec");
            return true;
        default:
            return true;
    }
}

std::optional<std::size_t> find_link(const Underlay& underlay, const std::string& name,
                                     const JsonCursor& at) {
    const auto by_name = [&](std::string_view wanted) {
        return std::ranges::find(underlay.links, wanted, &UnderlayLink::name);
    };
    auto link = by_name(name);
    const std::size_t dashes = name.find("--");
    if (link == underlay.links.end() && dashes != std::string::npos)
        link = by_name(name.substr(dashes + 2) + "--" + name.substr(0, dashes));
    if (link != underlay.links.end())
        return static_cast<std::size_t>(link - underlay.links.begin());
    std::vector<std::string_view> names;
    for (const UnderlayLink& known : underlay.links) names.push_back(known.name);
    at.problem(
        fmt::format("there is no link called {}{}", json_quote(name), name_hint(name, names)));
    return std::nullopt;
}

// ---- links ----

bool FaultReader::read_link(const JsonCursor& at, FaultSpec& fault) const {
    const auto link =
        find_link(scenario_.underlay, at.at("link").text().value_or(""), at.at("link"));
    if (!link) return false;
    fault.link = *link;
    if (fault.kind == Kind::link_change)
        read_change(at, scenario_.underlay.links[*link], fault.change);
    return true;
}

void FaultReader::read_change(const JsonCursor& at, const UnderlayLink& link, LinkChange& change) {
    change.rate_bps = at.at("rate").rate(link_rate_range);
    change.delay = at.at("delay").duration(link_delay_range);
    change.loss_ppb = at.at("loss").ratio_ppb();
    change.corrupt_ppb = at.at("corrupt").ratio_ppb();
    change.duplicate_ppb = at.at("duplicate").ratio_ppb();
    change.reorder_ppb = at.at("reorder").ratio_ppb();
    if (change.loss_ppb && *change.loss_ppb > most_loss_ppb)
        at.at("loss").problem("a link that loses everything is down; use link_down");
    if (const auto mtu = at.at("mtu").integer()) {
        change.mtu = static_cast<std::uint32_t>(*mtu);
        if (link.queue_bytes < *mtu) {
            at.at("mtu").problem(
                fmt::format("the link's queue of {} bytes cannot hold one packet of {} bytes",
                            link.queue_bytes, *mtu));
        }
    }
    if (change.reorder_ppb.value_or(0) > 0 && change.delay.value_or(link.delay) == Duration{})
        at.at("reorder").warning(
            "packets overtake within the link's delay, and this link has none");
}

// ---- hosts ----

bool FaultReader::read_hosts(const JsonCursor& at, FaultSpec& fault) const {
    std::vector<JsonCursor> names = at.at("hosts").items();
    if (at.has("host")) {
        if (at.has("hosts"))
            at.at("host").problem(R"("host" is short for a list of one; give it or "hosts")");
        names.push_back(at.at("host"));
    }
    for (const JsonCursor& name : names) {
        const auto host = find_host(scenario_.underlay, name.text().value_or(""), name);
        if (!host) continue;
        check_host(name, fault.kind, *host);
        if (std::ranges::find(fault.hosts, *host) != fault.hosts.end())
            name.problem(fmt::format("{} is in the list already", name_of(*host)));
        else
            fault.hosts.push_back(*host);
    }
    std::ranges::sort(fault.hosts);
    return fault.hosts.size() == names.size();
}

void FaultReader::check_host(const JsonCursor& at, Kind kind, std::size_t host) const {
    if (kind == Kind::partition) return;  // bystanders and the store may be on either side
    const bool stops = kind == Kind::host_crash || kind == Kind::host_pause;
    if (host == scenario_.store.host && stops) {
        at.problem(
            fmt::format("the store runs on {}, and a {} is about hosts; a store that is away is a "
                        "store_leader_loss, one that comes back empty a store_data_loss",
                        name_of(host), to_string(kind)));
    } else if (host == scenario_.store.host && kind == Kind::store_unreachable) {
        at.problem(
            fmt::format("the store runs on {} itself, so nothing can come between", name_of(host)));
    } else if (!scenario_.underlay.nodes[host].runs_node) {
        at.problem(fmt::format("{} does not run a node, so a {} has nothing to break there",
                               name_of(host), to_string(kind)));
    }
}

void FaultReader::read_skew(const JsonCursor& at, FaultSpec& fault) const {
    fault.offset = at.at("offset").duration(offset_range).value_or(Duration{});
    fault.drift_ppm = static_cast<std::int32_t>(at.at("drift_ppm").signed_integer().value_or(0));
}

// ---- operators ----

bool FaultReader::read_rows(const JsonCursor& at, FaultSpec& fault) const {
    fault.rows = rows_of(at.at("rows").text().value_or("all"));
    if (!at.has("peer")) return true;
    fault.peer = find_host(scenario_.underlay, at.at("peer").text().value_or(""), at.at("peer"));
    if (!fault.peer) return false;
    if (!scenario_.underlay.nodes[*fault.peer].runs_node)
        at.at("peer").problem(
            fmt::format("{} does not run a node, so no rows lead to it", name_of(*fault.peer)));
    if (std::ranges::find(fault.hosts, *fault.peer) != fault.hosts.end())
        at.at("peer").warning(fmt::format("no rows of {} lead to itself", name_of(*fault.peer)));
    return true;
}

bool FaultReader::read_route(const JsonCursor& at, FaultSpec& fault) {
    const auto via = find_host(scenario_.underlay, at.at("via").text().value_or(""), at.at("via"));
    const Result<Ipv4Prefix> destination =
        Ipv4Prefix::parse(at.at("destination").text().value_or(""));
    if (!destination) at.at("destination").problem(destination.error().what);
    if (!via || !destination) return false;
    fault.via = *via;
    fault.destination = *destination;
    check_destination(at.at("destination"), *destination);
    const SegmentId segment = graph().host_interface(*via).segment;
    for (const std::size_t host : fault.hosts) {
        if (host == *via) {
            at.at("via").warning(
                fmt::format("{} is its own gateway; a real kernel refuses that", name_of(host)));
        } else if (graph().host_interface(host).segment != segment) {
            at.at("via").warning(
                fmt::format("{} is not on the segment of {}; a real kernel refuses such a gateway",
                            name_of(*via), name_of(host)));
        }
    }
    return true;
}

void FaultReader::check_destination(const JsonCursor& at, Ipv4Prefix destination) {
    if (destination.length < shortest_foreign_prefix) {
        at.problem(fmt::format("{} is outside the allowed lengths /{} to /32",
                               destination.to_string(), shortest_foreign_prefix));
        return;
    }
    for (const Segment& segment : graph().segments()) {
        if (!segment.prefix.overlaps(destination)) continue;
        at.problem(fmt::format("{} overlaps the underlay segment {}, whose routes are the host's",
                               destination.to_string(), segment.prefix.to_string()));
        return;
    }
}

bool FaultReader::read_address(const JsonCursor& at, FaultSpec& fault) {
    if (fault.hosts.size() != 1) {
        at.at("hosts").problem("an address is one host's; use a fault for each");
        return false;
    }
    const Result<Ipv4Address> address = Ipv4Address::parse(at.at("address").text().value_or(""));
    if (!address) {
        at.at("address").problem(address.error().what);
        return false;
    }
    fault.address = *address;
    check_address(at.at("address"), fault.hosts[0], *address);
    return true;
}

void FaultReader::check_address(const JsonCursor& at, std::size_t host, Ipv4Address address) {
    const std::string text = address.to_string();
    const Interface& own = graph().host_interface(host);
    const Ipv4Prefix prefix = graph().segments()[own.segment].prefix;
    const Ipv4Address broadcast{prefix.network.bits | ~prefix.mask()};
    if (!prefix.contains(address)) {
        at.problem(fmt::format("{} is not on the segment of {}, {}", text, name_of(host),
                               prefix.to_string()));
    } else if (address == prefix.network || address == broadcast) {
        at.problem(fmt::format("{} is the {} address of {}, which no host may have", text,
                               address == broadcast ? "broadcast" : "network", prefix.to_string()));
    }
    for (const Interface& other : graph().interfaces()) {
        if (other.address == address && other.node != host)
            at.problem(fmt::format("{} is the address of {}", text, name_of(other.node)));
    }
    const auto [taken, is_new] = new_addresses_.emplace(address, host);
    if (!is_new && taken->second != host) {
        at.problem(fmt::format("{} is the address that another fault gives to {}", text,
                               name_of(taken->second)));
    }
}

// ---- the store ----

void FaultReader::read_write(const JsonCursor& at, FaultSpec& fault) {
    fault.key = at.at("key").text().value_or("");
    const auto is_plain = [](char c) { return c > ' ' && c < '\x7f'; };
    if (fault.key.empty() || fault.key.front() == '/' || fault.key.back() == '/' ||
        !std::ranges::all_of(fault.key, is_plain)) {
        at.at("key").problem(
            fmt::format("{} is no key below the network's prefix; expected one without a leading "
                        R"(slash and without spaces, such as "subnets/10.244.9.0-24")",
                        json_quote(fault.key.substr(0, 60))));
    }
    const LocatedValue& value = at.at("value").value();
    fault.value = value.is(LocatedValue::Kind::string) ? value.text : value.dump();
}

// ---- keys ----

void FaultReader::read_rotation(const JsonCursor& at, FaultSpec& fault) const {
    fault.psk = at.at("psk").text().value_or("");
    fault.step = at.at("step").duration(step_range).value_or(fault.step);
    check_psk(at, fault);
}

/// The network's configuration with the key in its place; nothing if it has no place for one.
std::optional<std::string> with_key(const std::string& network_json, const std::string& psk) {
    auto network = parse_located_json(network_json, 0);
    CHECK(network.has_value());
    for (LocatedMember& backend : network->members) {
        if (!equal_ignoring_case(backend.key, "Backend")) continue;
        for (LocatedMember& member : backend.value.members) {
            if (!equal_ignoring_case(member.key, "PSK")) continue;
            member.value.text = psk;
            return network->dump();
        }
    }
    return std::nullopt;
}

void FaultReader::check_psk(const JsonCursor& at, const FaultSpec& fault) const {
    std::map<std::string, std::string> networks;
    for (const auto& [type, object] : scenario_.compare_backend_json)
        networks[type] = replace_backend(scenario_.network_json, object);
    networks[std::string(backend_name(scenario_.network.backend))] = scenario_.network_json;
    std::optional<std::string> wrong;
    bool usable = false;
    for (const auto& [type, network_json] : networks) {
        const std::optional<std::string> changed = with_key(network_json, fault.psk);
        if (!changed) continue;
        const ParsedNetworkConfig parsed = parse_network_config(*changed);
        if (parsed.problems.empty())
            usable = true;
        else if (!wrong)
            wrong = fmt::format("{}: {}", type, parsed.problems[0].message);
    }
    if (usable && wrong) at.at("psk").warning(*wrong);
    if (usable) return;
    if (wrong) return at.at("psk").problem(*wrong);
    at.at("do").problem(
        "a key_rotation needs a backend with a PSK, and this scenario runs none; ipsec has one, "
        "wireguard may have one");
}

// ---- what the rest asks ----

void FaultReader::need_backend(const JsonCursor& at, Kind kind, const std::string& type) const {
    const bool runs = type == backend_name(scenario_.network.backend) ||
                      scenario_.compare_backend_json.contains(type);
    if (runs) return;
    at.at("do").problem(
        fmt::format("a {} does nothing but under {}, which this scenario does not "
                    "run; make it the network's Backend or list it in \"compare\"",
                    to_string(kind), type));
}

const UnderlayGraph& FaultReader::graph() {
    if (!graph_) {
        Result<UnderlayGraph> built = UnderlayGraph::build(scenario_.underlay);
        CHECK(built.has_value());  // as when the underlay was read
        graph_ = std::move(*built);
    }
    return *graph_;
}

/// A fault and where the file says so.
struct Located {
    FaultSpec fault;
    JsonCursor origin;
};

/// Names for those that have none, by their place in time.
void give_names(std::vector<Located>& faults, const Scenario& scenario) {
    std::set<std::string_view> taken{"network"};  // names that an expectation could mean instead
    for (const UnderlayNode& node : scenario.underlay.nodes) taken.insert(node.name);
    for (const TrafficSpec& flow : scenario.traffic) taken.insert(flow.name);
    std::size_t number = 0;
    for (Located& entry : faults) {
        ++number;
        FaultSpec& fault = entry.fault;
        const bool is_given = !fault.name.empty();
        if (!is_given) fault.name = fmt::format("fault-{}", number);
    }
    for (const Located& entry : faults) {
        const FaultSpec& fault = entry.fault;
        const JsonCursor at = entry.origin.has("name") ? entry.origin.at("name") : entry.origin;
        if (!is_name(fault.name)) {
            at.problem(
                "a fault's name is a letter or digit, then letters, digits, '-', '_' or '.'");
        } else if (!taken.insert(fault.name).second) {
            at.problem(fmt::format(
                R"(the name {} is taken by a node, a flow, another fault or "network"{})",
                json_quote(fault.name),
                entry.origin.has("name") ? "" : R"(; give it another "name")"));
        }
    }
}

}  // namespace

std::vector<FaultSpec> read_faults(const JsonCursor& faults_at, const Scenario& scenario) {
    FaultReader reader(scenario);
    std::vector<Located> read;
    for (const JsonCursor& at : faults_at.items()) {
        if (auto fault = reader.read(at)) read.push_back({std::move(*fault), at});
    }
    std::ranges::stable_sort(read, [](const Located& a, const Located& b) {
        return contents_of(a.fault) < contents_of(b.fault);
    });
    give_names(read, scenario);
    std::vector<FaultSpec> faults;
    for (Located& entry : read) faults.push_back(std::move(entry.fault));
    std::ranges::sort(faults, [](const FaultSpec& a, const FaultSpec& b) {
        return a.at == b.at ? comes_before(a.name, b.name) : a.at < b.at;
    });
    return faults;
}

}  // namespace overlab
