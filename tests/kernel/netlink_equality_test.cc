// Row equality: after any history of leases this machine's kernel holds, row by row, what the
// model's tables hold. The node, its backends and its reconciler are the real ones; only leases
// and time are made up.
#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "models/node/overlay_node.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_stack.h"
#include "tests/support/node_lab.h"
#include "tests/support/row_lines.h"
#include "tests/support/twin_stack.h"

using namespace overlab;
using namespace overlab::test;

namespace {

struct BackendCase {
    std::string name;
    std::string type;    ///< what its leases say
    std::string config;  ///< the network's
};

/// An OverlayNode whose host is the model and the kernel at once.
class TwinLab {
   public:
    TwinLab(const KernelHost& host, const BackendCase& backend)
        : type_(backend.type), kernel_(host) {
        leases_.config_text = backend.config;
    }

    void start(std::uint64_t seed) {
        node_.emplace(runtime_, twin, leases_, &ike_, observer_,
                      NodeOptions{.seed = seed, .audit_interval = {}});
        node_->start();
        (void)runtime_.run_for(milliseconds(20));
    }
    /// As an agent that was killed and starts again: rows are still there, but for the TUN device,
    /// which goes with its process; here it stays on both sides.
    void restart(std::uint64_t seed) {
        node_.reset();
        start(seed);
    }
    void act(Rng& rng) {
        switch (rng.below(12)) {
            case 0:
            case 1:
            case 2:
                leases_.remove(draw_subnet(rng));
                break;
            case 3:
                leases_.put_unseen(draw_subnet(rng), draw_attributes(rng));
                break;
            case 4:
                leases_.send_snapshot();
                break;
            case 5:
                (void)runtime_.run_for(milliseconds(20));
                break;
            default:
                leases_.put(draw_subnet(rng), draw_attributes(rng));
        }
    }
    void settle() { (void)runtime_.run_for(seconds(1)); }

    FakeHostStack model{"host-1", {0xc0000201}};

   private:
    static LeaseSubnet draw_subnet(Rng& rng) {
        static constexpr const char* choices[] = {
            "10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24", "10.244.4.0/24",
            "10.244.5.0/24", "10.244.4.0/22", "10.244.4.0/23", "10.244.4.128/25"};
        return subnet(choices[rng.below(std::size(choices))]);
    }
    [[nodiscard]] LeaseAttributes draw_attributes(Rng& rng) const {
        static constexpr const char* addresses[] = {"192.0.2.2", "192.0.2.3", "192.0.2.4",
                                                    "192.0.2.5", "198.51.100.6"};
        const std::string address = addresses[rng.below(std::size(addresses))];
        if (type_ != "vxlan" && rng.chance(2, 3)) return plain_attributes(type_, address);
        switch (rng.below(6)) {
            case 0:
                return plain_attributes("host-gw", address);
            case 1:
                return plain_attributes("", address);
            default:
                return vxlan_attributes(address,
                                        fmt::format("02:00:00:00:00:{:02x}", 1 + rng.below(4)));
        }
    }

    std::string type_;
    VirtualRuntime runtime_;
    KernelStack kernel_;
    FakeLeaseStore leases_{runtime_};
    CallFaults no_faults_;
    FakeIkeDaemon ike_{&no_faults_};
    RecordingObserver observer_;

   public:
    TwinStack twin{model, kernel_.stack()};

   private:
    std::optional<OverlayNode> node_;
};

/// One history. Answers the number of rows at its end.
std::size_t run_history(const KernelHost& host, const BackendCase& backend, std::uint64_t seed) {
    INFO(backend.name << ", seed " << seed);
    Rng rng = Rng::stream(seed, "row-equality/" + backend.name);
    TwinLab lab(host, backend);
    lab.start(seed);
    const std::uint64_t events = 5 + rng.below(36);
    for (std::uint64_t i = 0; i < events; ++i) {
        lab.act(rng);
        if (rng.chance(1, 5)) lab.twin.compare_dumps();
        if (rng.chance(1, 20)) lab.restart(seed + i);
    }
    lab.settle();
    lab.twin.compare_dumps();
    INFO(lab.twin.difference());
    REQUIRE(lab.twin.difference().empty());
    REQUIRE(lab.twin.comparisons > 1);
    return lab.model.tables().own_row_count();
}

/// What a node may ask of a host, sensible or not. The first `link_rows` are devices.
constexpr std::uint64_t link_rows = 10;
constexpr const char* row_pool = R"(
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1400 mac 02:00:00:00:00:01
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:09
    link flannel.1 vxlan vni 2 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth0 port 4789 mtu 1450 mac 02:00:00:00:00:01
    link flannel.1 vxlan vni 1 local 192.0.2.1 dev eth9 port 8472 mtu 1450 mac 02:00:00:00:00:01
    link eth0 vxlan vni 3 local 192.0.2.1 dev eth0 port 8472 mtu 1450 mac 02:00:00:00:00:01
    link flannel0 tun local 192.0.2.1 port 8285 mtu 1472
    link flannel0 tun local 192.0.2.1 port 8285 mtu 1400
    link flannel0 tun local 192.0.2.1 port 8286 mtu 1472
    addr 10.244.1.0/32 dev flannel.1
    addr 10.244.9.0/32 dev flannel.1
    addr 10.244.1.0/32 dev flannel0
    addr 10.244.1.0/24 dev flannel.1
    neigh 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1
    neigh 10.244.2.0 lladdr 02:00:00:00:00:22 dev flannel.1
    neigh 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1
    neigh 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.9
    fdb 02:00:00:00:00:02 dst 192.0.2.2 dev flannel.1
    fdb 02:00:00:00:00:02 dst 192.0.2.22 dev flannel.1
    fdb 02:00:00:00:00:03 dst 192.0.2.3 dev flannel.1
    fdb 02:00:00:00:00:03 dst 192.0.2.3 dev flannel0
    tunnel 10.244.4.0/24 to 192.0.2.4:8285 dev flannel0
    tunnel 10.244.4.0/24 to 192.0.2.5:8285 dev flannel0
    tunnel 10.244.5.0/24 to 192.0.2.5:8285 dev flannel.1
    policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.5 reqid 11
    policy out 10.244.1.0/24 -> 10.244.5.0/24 tunnel 192.0.2.1 -> 192.0.2.6 reqid 11
    policy in 10.244.5.0/24 -> 10.244.1.0/24 tunnel 192.0.2.5 -> 192.0.2.1 reqid 11
    route 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
    route 10.244.2.0/24 via 192.0.2.2 dev eth0
    route 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink
    route 10.244.3.0/24 via 192.0.2.3 dev flannel.1
    route 10.244.4.0/22 via 192.0.2.4 dev eth0
    route 10.244.6.0/24 via 198.51.100.6 dev eth0
    route 10.244.7.0/24 via 192.0.2.1 dev eth0
    route 10.245.0.0/16 dev flannel0
    route 10.245.0.0/16 dev flannel.1
    route 192.0.2.0/24 dev eth0
    route 10.244.8.0/24 dev flannel.9)";

}  // namespace

TEST_CASE("after any history of leases the kernel holds the model's rows", "[equality]") {
    OVERLAB_KERNEL_HOST(host);
    const BackendCase backends[] = {
        {"vxlan", "vxlan", network_config(R"({"Type":"vxlan"})")},
        {"vxlan, direct", "vxlan", network_config(R"({"Type":"vxlan","DirectRouting":true})")},
        {"host-gw", "host-gw", network_config(R"({"Type":"host-gw"})")},
        {"udp", "", network_config(R"({"Type":"udp"})")},
        {"ipsec", "ipsec", ipsec_config()}};
    for (const BackendCase& backend : backends) {
        std::size_t rows = 0;
        for (std::uint64_t seed = 1; seed <= 50; ++seed) rows += run_history(host, backend, seed);
        INFO(backend.name);
        CHECK(rows > 50);
    }
}

TEST_CASE("whatever rows are asked for, kernel and model answer and hold the same", "[equality]") {
    OVERLAB_KERNEL_HOST(host);
    const std::vector<Row> pool = rows(row_pool);
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Rng rng = Rng::stream(seed, "row-equality/any");
        FakeHostStack model{"host-1", {0xc0000201}};
        KernelStack kernel(host);
        TwinStack twin(model, kernel.stack());
        std::string history;
        for (int batch = 0; batch < 10 && twin.difference().empty(); ++batch) {
            std::vector<RowChange> changes;
            for (std::uint64_t i = 1 + rng.below(12); i > 0; --i) {
                const auto action =
                    rng.chance(2, 3) ? RowChange::Action::install : RowChange::Action::withdraw;
                // Devices seldom: rows need time on them, and the kernel needs some to delete one.
                const std::uint64_t first = rng.chance(1, 12) ? 0 : link_rows;
                const std::uint64_t end = first == 0 ? link_rows : pool.size();
                changes.push_back({action, pool[first + rng.below(end - first)]});
            }
            // Often enough there is a device to put rows on.
            if (batch == 0) changes.insert(changes.begin(), {RowChange::Action::install, pool[0]});
            history += lines(changes) + "--\n";
            (void)twin.apply(changes);
            twin.compare_dumps();
        }
        INFO("seed " << seed << "\n" << history << twin.difference());
        REQUIRE(twin.difference().empty());
    }
}
