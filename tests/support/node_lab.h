// NodeLab: one OverlayNode on host-1 (192.0.2.1) among fakes, and the peers that a test makes up:
//   peer n: subnet 10.244.n.0/24, public address 192.0.2.n, VTEP MAC 02:00:00:00:00:<n>.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/node/overlay_node.h"
#include "tests/support/fake_host_stack.h"
#include "tests/support/fake_lease_store.h"
#include "tests/support/virtual_runtime.h"

namespace overlab::test {

class FakeIkeDaemon final : public IkeDaemon {
   public:
    explicit FakeIkeDaemon(CallFaults* faults) : faults_(faults) {}

    std::map<std::string, IkeConnection> connections;
    std::size_t loads = 0;

    Result<void> load(const IkeConnection& connection) override {
        if (faults_->strikes()) return fault();
        ++loads;
        connections[connection.name()] = connection;
        return {};
    }
    Result<void> unload(const std::string& name) override {
        if (faults_->strikes()) return fault();
        connections.erase(name);
        return {};
    }
    Result<std::vector<std::string>> loaded() override {
        if (faults_->strikes()) return fault();
        std::vector<std::string> names;
        for (const auto& [name, connection] : connections) names.push_back(name);
        return names;
    }

   private:
    [[nodiscard]] static std::unexpected<Error> fault() {
        return fail(ErrorKind::unavailable, "ike fault injected by the test");
    }
    CallFaults* faults_;
};

class RecordingObserver final : public NodeObserver {
   public:
    std::string states;
    std::vector<std::string> remarks;
    std::optional<std::uint32_t> mtu;
    std::size_t installed = 0, withdrawn = 0, failed = 0;

    void state_changed(NodeState state) override { states += std::string(to_string(state)) + ' '; }
    void lease_acquired(const HeldLease&, std::uint32_t overlay_mtu) override { mtu = overlay_mtu; }
    void rows_applied(std::size_t in, std::size_t out, std::size_t bad) override {
        installed += in;
        withdrawn += out;
        failed += bad;
    }
    void remark(const std::string& text) override { remarks.push_back(text); }

    [[nodiscard]] bool has_remark(std::string_view part) const {
        for (const std::string& each : remarks) {
            if (each.find(part) != std::string::npos) return true;
        }
        return false;
    }
};

inline LeaseSubnet subnet(std::string_view text) {
    return {Ipv4Prefix::parse(text).value(), std::nullopt};
}
inline LeaseSubnet subnet(unsigned n) { return subnet(fmt::format("10.244.{}.0/24", n)); }

inline LeaseAttributes vxlan_attributes(std::string_view public_ip, std::string_view mac) {
    LeaseAttributes attributes;
    attributes.public_ip = Ipv4Address::parse(public_ip).value();
    attributes.backend_type = "vxlan";
    attributes.backend_data = fmt::format(R"({{"VNI":1,"VtepMAC":"{}"}})", mac);
    return attributes;
}
inline LeaseAttributes vxlan_attributes(unsigned n) {
    return vxlan_attributes(fmt::format("192.0.2.{}", n), fmt::format("02:00:00:00:00:{:02x}", n));
}
inline LeaseAttributes wireguard_attributes(std::string_view public_ip, std::uint8_t key_byte) {
    WireguardKey key;
    key.bytes.fill(key_byte);
    LeaseAttributes attributes;
    attributes.public_ip = Ipv4Address::parse(public_ip).value();
    attributes.backend_type = "wireguard";
    attributes.backend_data = fmt::format(R"({{"PublicKey":"{}","Port":51820}})", key.to_string());
    return attributes;
}
/// Attributes of a backend that publishes no data.
inline LeaseAttributes plain_attributes(std::string type, std::string_view public_ip) {
    LeaseAttributes attributes;
    attributes.public_ip = Ipv4Address::parse(public_ip).value();
    attributes.backend_type = std::move(type);
    return attributes;
}

inline std::string network_config(std::string_view backend) {
    return fmt::format(R"({{"Network":"10.244.0.0/16","Backend":{}}})", backend);
}
inline std::string ipsec_config() {
    return network_config(fmt::format(R"({{"Type":"ipsec","PSK":"{}"}})", std::string(96, 'k')));
}

class NodeLab {
   public:
    VirtualRuntime runtime;
    CallFaults faults;
    FakeHostStack stack{"host-1", Ipv4Address::parse("192.0.2.1").value(), &faults};
    FakeLeaseStore leases{runtime, &faults};
    FakeIkeDaemon ike{&faults};
    RecordingObserver observer;
    std::optional<OverlayNode> node;

    /// `backend` is the JSON of the configuration's Backend.
    explicit NodeLab(std::string_view backend = R"({"Type":"vxlan"})") {
        leases.config_text = network_config(backend);
    }

    void start(NodeOptions options = {}, bool with_ike = true) {
        node.emplace(runtime, stack, leases, with_ike ? &ike : nullptr, observer, options);
        node->start();
    }
    /// Starts and waits for the first convergence.
    [[nodiscard]] bool converge(NodeOptions options = {}) {
        start(options);
        return settles();
    }
    /// True if the node converges within `deadline`.
    [[nodiscard]] bool settles(Duration deadline = minutes(5)) {
        return runtime.run_for(milliseconds(10)) &&
               runtime.run_until_true([this] { return node->converged(); },
                                      runtime.now() + deadline);
    }
    void pass(Duration time) { (void)runtime.run_for(time); }

    /// True if the host holds exactly what the node plans.
    [[nodiscard]] bool host_is_as_planned() const {
        return stack.tables().dump() == node->plan_all();
    }
    [[nodiscard]] std::string held() const { return stack.tables().dump().to_string(); }
    [[nodiscard]] std::string own_subnet() const {
        return node->held() ? node->held()->lease->subnet.to_string() : "none";
    }
};

}  // namespace overlab::test
