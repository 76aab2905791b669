// What the defects of reading leases and configuration make of them.
#include "tests/support/catch.h"
#include "tests/support/defect_lab.h"
#include "tests/support/node_lab.h"

using namespace overlab;
using namespace overlab::test;

namespace {

struct SnapshotLab {
    explicit SnapshotLab(const std::string& defect) : defects(runtime, {defect}) {
        defects.layers.around(leases, kv).watch([this](const LeaseUpdate& update) {
            if (update.snapshot) seen.clear();
            for (const LeaseSubnet& gone : update.removed) seen.erase(gone);
            for (const LeasePtr& lease : update.added) {
                seen[lease->subnet] = lease->attributes.public_ip.to_string();
            }
        });
        pass();
    }
    void pass() { REQUIRE(runtime.run_for(seconds(1))); }

    VirtualRuntime runtime;
    LocalKvServer server{runtime};
    LocalKvStore kv{runtime, server};
    FakeLeaseStore leases{runtime};
    DefectLab defects;
    std::map<LeaseSubnet, std::string> seen;
};

}  // namespace

TEST_CASE("malformed-empties: one entry that is no lease and all peers are gone", "[defect]") {
    SnapshotLab lab("malformed-empties");
    lab.leases.put(subnet(2), vxlan_attributes(2));
    lab.leases.put(subnet(3), vxlan_attributes(3));
    lab.pass();
    REQUIRE(lab.seen.size() == 2);

    lab.leases.send_malformed("garbage");
    lab.pass();

    CHECK(lab.seen.empty());
}

TEST_CASE("snapshot-misses-changes: a peer that is known stays as it was", "[defect]") {
    SnapshotLab lab("snapshot-misses-changes");
    lab.leases.put(subnet(2), vxlan_attributes(2));
    lab.pass();

    lab.leases.put_unseen(subnet(2), vxlan_attributes(9));
    lab.leases.put_unseen(subnet(3), vxlan_attributes(3));
    lab.leases.send_snapshot();
    lab.pass();
    CHECK(lab.seen ==
          std::map<LeaseSubnet, std::string>{{subnet(2), "192.0.2.2"}, {subnet(3), "192.0.2.3"}});

    // A change that is told as one is taken.
    lab.leases.put(subnet(2), vxlan_attributes(9));
    lab.pass();
    CHECK(lab.seen.at(subnet(2)) == "192.0.2.9");
}

TEST_CASE("network-mtu-ignored: the configuration comes without its MTU", "[defect]") {
    SnapshotLab lab("network-mtu-ignored");
    lab.leases.config_text =
        R"({"Network":"10.244.0.0/16","backend":{"Type":"vxlan","mtu":1300,"VNI":7}})";
    HostDefects& layers = lab.defects.layers;
    std::string text;

    layers.around(lab.leases, lab.kv).config([&](const Result<std::string>& answer) {
        text = answer.value();
    });
    lab.pass();

    CHECK(text == R"({"Network":"10.244.0.0/16","backend":{"Type":"vxlan","VNI":7}})");
}
