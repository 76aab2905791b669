// Captures of whole runs, control plane included, read by tshark: the store's TCP, ARP, IKE,
// tunnels, pods' TCP.
#include <algorithm>
#include <fstream>
#include <string>

#include "tests/support/temp_folder.h"
#include "tests/support/tshark.h"
#include "tests/support/two_hosts.h"

namespace overlab {
namespace {

using test::tshark;

/// A run of 20 ms of TCP and its captures, gone with this object.
class CapturedRun {
   public:
    explicit CapturedRun(const std::string& backend) {
        Scenario scenario = test::two_hosts(
            {.profile = "laptop", .backend = backend, .link_bps = 1'000'000'000, .mtu = 1500});
        scenario.traffic = {{.name = "bulk", .from = 0, .to = 1, .stop = {}}};
        scenario.duration = milliseconds(1020);
        const auto report = sim::run(scenario, {.capture_dir = folder_.path().string()});
        REQUIRE(report);
        REQUIRE(report->flows.at(0).bytes_delivered > 100'000);
    }

    /// tshark on h1's link, with what it needs to see inside tunnels.
    [[nodiscard]] std::string on_h1(const std::string& arguments) const {
        return tshark((folder_.path() / "h1--sw.pcapng").string(), decode() + arguments);
    }
    [[nodiscard]] std::size_t count(const std::string& filter) const {
        const std::string lines = on_h1("-Y '" + filter + "' -T fields -e frame.number");
        return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
    }

   private:
    [[nodiscard]] std::string decode() const {
        std::string options =
            "-d udp.port==8472,vxlan -d udp.port==8285,ip -o ip.check_checksum:TRUE "
            "-o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE "
            "-o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE ";
        std::ifstream keys(folder_.path() / "esp_sa");
        for (std::string line; std::getline(keys, line);)
            options += "-o 'uat:esp_sa:" + line + "' ";
        return options;
    }

    test::TempFolder folder_;
};

constexpr const char* complaints =
    "_ws.malformed || ip.checksum.status == Bad || tcp.checksum.status == Bad || "
    "udp.checksum.status == Bad || icmp.checksum.status == Bad || _ws.expert.severity == Error";

}  // namespace

TEST_CASE("a whole run's capture has nothing that tshark complains about") {
    for (const std::string backend : {"host-gw", "vxlan", "ipsec", "udp"}) {
        INFO(backend);
        const CapturedRun run(backend);

        CHECK(run.on_h1(std::string("-Y '") + complaints + "'").empty());
        CHECK(run.count("arp") >= 2);
        CHECK(run.count("tcp.port == 2379") > 5);
        CHECK(run.count("tcp && ip.addr == 10.244.0.0/16") > 100);
    }
}

TEST_CASE("under ipsec the underlay sees IKE and ESP, and no pod's packet in clear") {
    const CapturedRun run("ipsec");

    CHECK(run.count("isakmp") >= 2);
    CHECK(run.count("esp") > 100);
    CHECK(run.count("ip.addr == 10.244.0.0/16 && !esp") == 0);
}

}  // namespace overlab
