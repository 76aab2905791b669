// Few subnets, addresses and identities, so that leases clash often; everything that a step names
// exists, so that most steps do something.
#include "models/crosscheck/history_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/backends/backend.h"
#include "models/base/check.h"
#include "models/base/rng.h"
#include "models/lease/lease.h"
#include "models/lease/network_config.h"

namespace overlab {
namespace {

using Json = nlohmann::json;
using Kind = HistoryStep::Kind;

constexpr std::uint32_t max_pick = 64;
constexpr std::array<std::uint32_t, 3> mtus{1500, 1400, 9000};

template <typename T, std::size_t n>
const T& one_of(Rng& rng, const std::array<T, n>& choices) {
    return choices[rng.below(n)];
}

CrossLayout draw_layout(Rng& rng, const GeneratorOptions& options) {
    CrossLayout layout;
    const std::size_t segments = 1 + rng.below(2);
    for (std::size_t i = 0; i < segments; ++i) {
        constexpr std::array<std::uint32_t, 2> networks{0xc0000200, 0xc6336400};  // TEST-NET-1, -2
        // Mostly alike: with mixed sizes many probes end at the router.
        const bool mixed = i > 0 && rng.chance(1, 2);
        layout.segments.push_back({Ipv4Prefix::of({networks[i]}, 24),
                                   i == 0 || mixed ? one_of(rng, mtus) : layout.segments[0].mtu});
    }
    const std::size_t hosts = 2 + rng.below(options.max_hosts - 1);
    for (std::size_t i = 0; i < hosts; ++i) {
        const std::size_t segment = i == 0 ? 0 : rng.below(segments);
        layout.hosts.push_back(
            {fmt::format("h{:02}", i + 1), segment, layout.segments[segment].subnet.at(1 + i)});
    }
    return layout;
}

// ---- configurations ----

Json draw_vxlan(Rng& rng) {
    Json backend{{"Type", "vxlan"}};
    if (rng.chance(1, 2)) backend["VNI"] = 1 + rng.below(3);
    if (rng.chance(1, 3)) backend["Port"] = 4789;
    if (rng.chance(1, 2)) backend["DirectRouting"] = true;
    if (rng.chance(1, 4)) backend["MTU"] = 1350;
    return backend;
}

Json draw_ipsec(Rng& rng) {
    Json backend{{"Type", "ipsec"}, {"PSK", std::string(96, 'k')}};
    if (rng.chance(1, 2)) backend["UDPEncap"] = true;
    return backend;
}

std::string key_text(std::uint8_t byte) {
    WireguardKey key;
    key.bytes.fill(byte);
    return key.to_string();
}

Json draw_wireguard(Rng& rng) {
    Json backend{{"Type", "wireguard"}};
    if (rng.chance(1, 3)) backend["ListenPort"] = 51830;
    if (rng.chance(1, 3)) backend["PSK"] = key_text(7);
    if (rng.chance(1, 4)) backend["PersistentKeepaliveInterval"] = 25;
    return backend;
}

Json draw_backend(Rng& rng, bool wireguard) {
    switch (rng.below(wireguard ? 7 : 6)) {
        case 0:
            return {{"Type", "host-gw"}};
        case 1:
        case 2:
            return draw_vxlan(rng);
        case 3: {
            Json backend{{"Type", "udp"}};
            if (rng.chance(1, 3)) backend["Port"] = 8300;
            return backend;
        }
        case 4: {
            Json backend{{"Type", "ipip"}};
            if (rng.chance(1, 2)) backend["DirectRouting"] = true;
            return backend;
        }
        case 5:
            return draw_ipsec(rng);
        default:
            return draw_wireguard(rng);
    }
}

std::string draw_network(Rng& rng, bool wireguard) {
    Json network{{"Network", "10.244.0.0/16"}, {"Backend", draw_backend(rng, wireguard)}};
    if (rng.chance(1, 3)) {
        network["Network"] = "10.244.0.0/20";
        network["SubnetLen"] = rng.chance(1, 2) ? 24 : 26;
    }
    return network.dump();
}

// ---- steps ----

/// Draws the steps of one history; keeps just enough of its state to draw sensible ones.
class StepWriter {
   public:
    StepWriter(History& history, Rng rng, Rng probes)
        : history_(history),
          rng_(rng),
          probes_(probes),
          network_(parse_network_config(history.network_json).config),
          backend_(make_backend(network_).value()),
          running_(history.layout.hosts.size(), false) {}

    void write(std::size_t max_steps) {
        for (std::size_t host = 0; host < running_.size(); ++host) start(host);
        history_.steps.back().probes = {draw_probe(), draw_probe()};
        const std::size_t steps = 2 + rng_.below(max_steps - 1);
        for (std::size_t i = 0; i < steps; ++i) draw_step();
    }

   private:
    [[nodiscard]] std::size_t draw_host() { return rng_.below(running_.size()); }

    void start(std::size_t host) {
        history_.steps.push_back({.kind = Kind::start, .host = host});
        running_[host] = true;
    }

    void add(HistoryStep step) {
        step.probes = {draw_probe(), draw_probe()};
        history_.steps.push_back(std::move(step));
    }

    void draw_step() {
        switch (rng_.below(13)) {
            case 0:
            case 1:
                return come_or_go();
            case 2:
                return add({.kind = Kind::wait});
            case 3:
                return add({.kind = Kind::expire});
            case 4:
                return add({.kind = Kind::rewrite, .host = draw_host(), .value = draw_value(0)});
            case 5:
            case 6:
                return foreign(Kind::foreign);
            case 7:
                return malformed();
            case 8:
                return remove();
            case 9:
                return foreign(Kind::compact);
            default:
                return meddle();
        }
    }

    void come_or_go() {
        const std::size_t host = draw_host();
        if (!running_[host]) {
            running_[host] = true;
            return add({.kind = Kind::start, .host = host});
        }
        running_[host] = false;
        add({.kind = rng_.chance(1, 2) ? Kind::stop : Kind::kill, .host = host});
    }

    void meddle() {
        const Kind kind = rng_.chance(1, 2) ? Kind::meddle_delete : Kind::meddle_change;
        add({.kind = kind,
             .host = draw_host(),
             .pick = static_cast<std::uint32_t>(rng_.below(max_pick))});
        if (rng_.chance(1, 2)) add({.kind = Kind::wait});
    }

    /// Subnets low in the network, where they may be taken already.
    [[nodiscard]] std::string draw_key() {
        const unsigned length = network_.subnet_len;
        const std::uint64_t number = 1 + rng_.below(8);
        const Ipv4Address at{network_.network.network.bits +
                             (static_cast<std::uint32_t>(number) << (32U - length))};
        const LeaseSubnet subnet{Ipv4Prefix::of(at, rng_.chance(1, 6) ? length - 1 : length), {}};
        const std::string key = lease_key(subnet);
        if (std::ranges::find(keys_, key) == keys_.end()) keys_.push_back(key);
        return key;
    }

    void foreign(Kind kind) {
        const std::string key = draw_key();
        add({.kind = kind, .key = key, .value = draw_value(1)});
    }

    void malformed() {
        static constexpr std::array<std::string_view, 4> values{
            "", "{", R"({"PublicIP":"300.1.2.3","BackendType":"vxlan"})", "[1,2]"};
        static constexpr std::array<std::string_view, 2> keys{"10.244.1.0", "fleece-24"};
        const bool bad_key = rng_.chance(1, 3);
        const std::string key = bad_key ? std::string(one_of(rng_, keys)) : draw_key();
        const std::string value = bad_key ? draw_value(1) : std::string(one_of(rng_, values));
        add({.kind = Kind::malformed, .key = key, .value = value});
    }

    void remove() {
        if (keys_.empty()) (void)draw_key();
        add({.kind = Kind::remove, .key = keys_[rng_.below(keys_.size())]});
    }

    /// A lease's value: mostly of the network's own backend, now and then of another one. The
    /// public address is that of nobody on some segment, or a host's.
    [[nodiscard]] std::string draw_value(std::uint64_t other_backends) {
        LeaseAttributes attributes;
        attributes.public_ip =
            rng_.chance(1, 3)
                ? history_.layout.hosts[draw_host()].address
                : history_.layout.segments[rng_.below(history_.layout.segments.size())].subnet.at(
                      200 + rng_.below(3));
        static constexpr std::array<std::string_view, 6> types{"host-gw", "vxlan",     "",
                                                               "ipip",    "wireguard", "ipsec"};
        const bool other = rng_.chance(other_backends, 4);
        const std::string own = backend_->name() == "udp" ? "" : std::string(backend_->name());
        attributes.backend_type = other ? std::string(one_of(rng_, types)) : own;
        const auto number = static_cast<std::uint8_t>(1 + rng_.below(4));
        if (rng_.chance(1, 10)) {
            attributes.backend_data = "{}";  // says nothing of what it should
        } else if (attributes.backend_type == "vxlan") {
            attributes.backend_data = fmt::format(
                R"({{"VNI":{},"VtepMAC":"02:00:00:00:00:{:02x}"}})", 1 + rng_.below(2), number);
        } else if (attributes.backend_type == "wireguard") {
            attributes.backend_data =
                fmt::format(R"({{"PublicKey":"{}","Port":51820}})", key_text(number));
        }
        return lease_value(attributes);
    }

    [[nodiscard]] HistoryProbe draw_probe() {
        const std::size_t hosts = running_.size();
        HistoryProbe probe{.from = probes_.below(hosts)};
        probe.to = (probe.from + 1 + probes_.below(hosts - 1)) % hosts;
        const std::uint64_t target = probes_.below(8);
        if (target == 0) probe.target = HistoryProbe::Target::absent_pod;
        if (target == 1) probe.target = HistoryProbe::Target::nowhere;
        probe.size = draw_size(probe);
        probe.dont_fragment = probes_.chance(3, 4);
        if (probes_.chance(1, 4)) probe.ttl = static_cast<std::uint8_t>(1 + probes_.below(4));
        return probe;
    }

    /// Small, or around what fits one of the two ends.
    [[nodiscard]] std::uint32_t draw_size(const HistoryProbe& probe) {
        const auto segment_mtu = [&](std::size_t host) {
            return history_.layout.segments[history_.layout.hosts[host].segment].mtu;
        };
        const std::uint32_t end = segment_mtu(probes_.chance(1, 2) ? probe.from : probe.to);
        switch (probes_.below(4)) {
            case 0:
                return backend_->overlay_mtu(end);
            case 1:
                return backend_->overlay_mtu(end) - static_cast<std::uint32_t>(probes_.below(20));
            case 2:
                return 36 + static_cast<std::uint32_t>(probes_.below(1400));
            default:
                return 84;
        }
    }

    History& history_;
    Rng rng_;
    Rng probes_;
    NetworkConfig network_;
    std::unique_ptr<Backend> backend_;
    std::vector<bool> running_;
    std::vector<std::string> keys_;
};

}  // namespace

History generate_history(std::uint64_t seed, std::uint64_t index, const GeneratorOptions& options) {
    CHECK(options.max_hosts >= 2 && options.max_hosts <= max_history_hosts);
    CHECK(options.max_steps >= 2);
    const auto stream = [&](std::string_view purpose) {
        return Rng::stream(seed, fmt::format("history-{}/{}", index, purpose));
    };
    History history;
    Rng seeds = stream("seed");
    history.seed = seeds.below(std::uint64_t{1} << 53U);  // as scenarios' seeds
    Rng layout = stream("layout");
    history.layout = draw_layout(layout, options);
    Rng network = stream("network");
    history.network_json = draw_network(network, options.wireguard);
    StepWriter(history, stream("steps"), stream("probes")).write(options.max_steps);
    return history;
}

}  // namespace overlab
