// The control plane's packets between real simulated hosts, read by tshark: the store's TCP streams
// and the IKE daemons' exchanges.
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "sim/sim_ike_daemon.h"
#include "sim/sim_kv_server.h"
#include "sim/sim_kv_store.h"
#include "tests/support/sim_lab.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tshark.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::sim;
using namespace overlab::test;

namespace {

const std::string psk(96, 'k');

/// Installs SAs in a host's tables and keeps their keys for captures.
class TableSink final : public SaSink {
   public:
    TableSink(SimHost& host, EspKeyRing& keys) : host_(host), keys_(keys) {}
    void install(const SaRow& row, const EspKey& key) override {
        REQUIRE(host_.tables().install(row).has_value());
        keys_.add(row, key);
    }
    void withdraw(const SaRow& row) override { REQUIRE(host_.tables().withdraw(row).has_value()); }

   private:
    SimHost& host_;
    EspKeyRing& keys_;
};

std::string capture_of(const TempFolder& folder) {
    return (folder.path() / "h1--sw.pcapng").string();
}

void require_clean(const std::string& file) {
    CHECK(tshark(file,
                 "-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE "
                 "-o udp.check_checksum:TRUE -Y '_ws.malformed || "
                 "ip.checksum.status == Bad || tcp.checksum.status == Bad || "
                 "udp.checksum.status == Bad || _ws.expert.severity == Error'")
              .empty());
}

}  // namespace

TEST_CASE("the store's streams are TCP connections: handshake, segments, acknowledgements") {
    const TempFolder folder;
    SimLab lab(star_scenario(2), R"({"Network": "10.244.0.0/16", "Backend": {"Type": "host-gw"}})");
    REQUIRE(lab.network->capture_to(folder.path(), lab.engine, lab.keys).has_value());
    {
        EngineRuntime runtime(lab.engine);
        SimKvServer server(lab.host(1), runtime, {});
        auto client = std::make_unique<SimKvStore>(
            lab.host(0), runtime, Endpoint{lab.host(1).address(), kv_port}, SimKvStoreOptions{});
        SimKvStore& store = *client;
        std::optional<std::size_t> read;
        KvTxn txn;
        txn.puts.push_back({"/large", std::string(5000, 'x'), {}});
        store.txn(txn, [&](const Result<KvTxnResult>& result) {
            REQUIRE(result.has_value());
            store.range("/", [&](const Result<KvRange>& range) { read = range->entries.size(); });
        });
        lab.run(1'000'000'000);
        CHECK(read == 1);
        client = nullptr;  // as a killed program: its host resets the connection
        lab.run();
    }
    REQUIRE(lab.network->close_captures().has_value());
    const std::string file = capture_of(folder);

    require_clean(file);
    // tshark's own analysis finds no gap, no repetition, no segment out of order.
    CHECK(tshark(file, "-Y 'tcp.analysis.flags'").empty());
    CHECK(tshark(file,
                 "-c 6 -Y tcp -T fields -E separator=, -e tcp.dstport -e tcp.flags.str "
                 "-e tcp.options.mss_val -e tcp.options.wscale.multiplier")
              .starts_with("2379,··········S·,1460,128\n"
                           "49152,·······A··S·,1460,128\n"
                           "2379,·······A····,,\n"));
    // The request of 5,000 bytes and more: three full segments of 1448 and a rest, the last pushed.
    CHECK(tshark(file,
                 "-Y 'tcp.dstport == 2379 && tcp.len > 500' -T fields -E separator=, "
                 "-e tcp.len -e tcp.flags.push")
              .starts_with("1448,0\n1448,0\n1448,0\n"));
    CHECK(tshark(file, "-Y 'tcp.flags.reset == 1' -T fields -e tcp.dstport") == "2379\n");
}

TEST_CASE("IKE decodes: SA_INIT in full, then encrypted payloads; ESP opens with derived keys") {
    struct Row {
        bool udp_encap;
        const char* udp_lengths;  ///< of the pods' packets: outer, if there is one, and inner
    };
    for (const Row& row : {Row{false, "1\t480\n1\t380\n"}, Row{true, "1\t544,480\n1\t444,380\n"}}) {
        INFO("udp_encap " << row.udp_encap);
        const TempFolder folder;
        const std::string encap = row.udp_encap ? "true" : "false";
        SimLab lab(star_scenario(2), R"({"Network": "10.244.0.0/16", "Backend": {"Type": "ipsec",)"
                                     R"("UDPEncap": )" +
                                         encap + R"(, "PSK": ")" + psk + R"("}})");
        REQUIRE(lab.network->capture_to(folder.path(), lab.engine, lab.keys).has_value());
        {
            EngineRuntime runtime(lab.engine);
            TableSink sinks[] = {{lab.host(0), lab.keys}, {lab.host(1), lab.keys}};
            SimIkeDaemon first(lab.host(0), runtime, sinks[0], {});
            SimIkeDaemon second(lab.host(1), runtime, sinks[1], {});
            const auto connection = [&](std::size_t from, std::size_t to) {
                IkeConnection made;
                made.local = lab.host(from).address();
                made.remote = lab.host(to).address();
                made.local_subnet = Ipv4Prefix::of(lab.pod(from).address, 24);
                made.remote_subnet = Ipv4Prefix::of(lab.pod(to).address, 24);
                made.psk = psk;
                made.esp_proposal = "aes128gcm16-sha256-prfsha256-ecp256";
                made.udp_encap = row.udp_encap;
                return made;
            };
            REQUIRE(first.load(connection(0, 1)).has_value());
            REQUIRE(second.load(connection(1, 0)).has_value());
            lab.run(1'000'000'000);
            REQUIRE(first.established() == 1);
            lab.pod(0).send_udp(lab.pod(1).address, 500);
            lab.pod(1).send_udp(lab.pod(0).address, 400);
            lab.run();
            CHECK(lab.pod(1).received.size() == 1);
            CHECK(lab.pod(0).received.size() == 1);
        }
        REQUIRE(lab.network->close_captures().has_value());
        const std::string file = capture_of(folder);

        require_clean(file);
        const std::string ike =
            "-Y isakmp -T fields -E separator=, -e udp.dstport -e "
            "isakmp.exchangetype -e isakmp.length -e isakmp.flag_r ";
        CHECK(tshark(file, ike) == "500,34,720,0\n500,34,728,1\n4500,35,256,0\n4500,35,224,1\n");
        CHECK(tshark(file,
                     "-Y 'isakmp.length == 720' -T fields -E separator=, "
                     "-e isakmp.tf.id.encr -e isakmp.tf.id.integ -e isakmp.tf.id.prf "
                     "-e isakmp.tf.id.dh -e isakmp.key_exchange.dh_group") == "12,12,5,16,16\n");
        CHECK(tshark(file, "-Y 'isakmp.length == 728' -T fields -e isakmp.notify.msgtype") ==
              "16388,16389,16430,16431,16418,16404\n");
        std::string decrypt =
            "-o esp.enable_encryption_decode:TRUE "
            "-o esp.enable_authentication_check:TRUE ";
        std::istringstream table(lab.keys.wireshark_table());
        for (std::string line; std::getline(table, line);) {
            if (!line.starts_with("#")) decrypt += "-o 'uat:esp_sa:" + line + "' ";
        }
        CHECK(tshark(file, decrypt + "-Y 'esp && udp.dstport == 9000' -T fields -e esp.icv_good "
                                     "-e udp.length") == row.udp_lengths);
    }
}
