// What a network configuration means when it is accepted. What is refused:
// lease_network_config_bad_test.cc.
#include "models/lease/network_config.h"

#include <catch2/catch.hpp>
#include <string>
#include <variant>

namespace overlab {
namespace {

NetworkConfig accepted(std::string_view json) {
    ParsedNetworkConfig parsed = parse_network_config(json);
    for (const ConfigProblem& p : parsed.problems) UNSCOPED_INFO(p.pointer << ": " << p.message);
    REQUIRE(parsed.problems.empty());
    return parsed.config;
}

template <typename Config>
Config backend(std::string_view object) {
    const NetworkConfig config =
        accepted(R"({"Network":"10.244.0.0/16","Backend":)" + std::string(object) + "}");
    REQUIRE(std::holds_alternative<Config>(config.backend));
    return std::get<Config>(config.backend);
}

}  // namespace

TEST_CASE("A lone Network gets flannel's defaults") {
    const NetworkConfig config = accepted(R"({"Network":"10.244.0.0/16"})");

    CHECK(config.enable_ipv4);
    CHECK_FALSE(config.enable_ipv6);
    CHECK_FALSE(config.enable_nftables);
    CHECK(config.network.to_string() == "10.244.0.0/16");
    CHECK(config.subnet_len == 24);
    CHECK(config.subnet_min.to_string() == "10.244.1.0");
    CHECK(config.subnet_max.to_string() == "10.244.255.0");
    CHECK(config.subnet_count() == 255);
    CHECK(backend_name(config.backend) == "udp");
}

TEST_CASE("SubnetLen follows the length of Network") {
    struct Row {
        std::string network, given;
        unsigned expected;
        std::string min, max;
    };
    const Row rows[] = {
        {"10.0.0.0/8", "", 24, "10.0.1.0", "10.255.255.0"},
        {"10.244.0.0/22", "", 24, "10.244.1.0", "10.244.3.0"},
        {"10.244.0.0/23", "", 25, "10.244.0.128", "10.244.1.128"},
        {"192.0.2.0/24", "", 26, "192.0.2.64", "192.0.2.192"},
        {"192.0.2.0/28", "", 30, "192.0.2.4", "192.0.2.12"},
        {"192.0.2.0/24", "30", 30, "192.0.2.4", "192.0.2.252"},
        {"10.244.0.0/16", "18", 18, "10.244.64.0", "10.244.192.0"},
        {"10.244.0.0/16", "0", 24, "10.244.1.0", "10.244.255.0"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.network, row.given);
        const std::string len = row.given.empty() ? "" : ",\"SubnetLen\":" + row.given;
        const NetworkConfig config = accepted("{\"Network\":\"" + row.network + "\"" + len + "}");

        CHECK(config.subnet_len == row.expected);
        CHECK(config.subnet_min.to_string() == row.min);
        CHECK(config.subnet_max.to_string() == row.max);
    }
}

TEST_CASE("IPv6 follows the same rules with its own numbers") {
    const NetworkConfig config = accepted(
        R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:10:244::/56","Backend":{"Type":"vxlan"}})");

    CHECK(config.ipv6_subnet_len == 64);
    CHECK(config.ipv6_subnet_min.to_string() == "fd00:10:244:1::");
    CHECK(config.ipv6_subnet_max.to_string() == "fd00:10:244:ff::");
    CHECK(config.subnet_count() == 255);

    const NetworkConfig small = accepted(
        R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/124","Backend":{"Type":"vxlan"}})");
    CHECK(small.ipv6_subnet_len == 126);
    CHECK(small.ipv6_subnet_min.to_string() == "fd00::4");
    CHECK(small.ipv6_subnet_max.to_string() == "fd00::c");
}

TEST_CASE("SubnetMin and SubnetMax bound what the network owns") {
    const NetworkConfig config = accepted(
        R"({"Network":"10.244.0.0/16","SubnetLen":26,"SubnetMin":"10.244.0.0","SubnetMax":"10.244.0.128"})");

    CHECK(config.subnet_count() == 3);
    CHECK(config.owns(Ipv4Prefix::parse("10.244.0.0/26").value()));
    CHECK(config.owns(Ipv4Prefix::parse("10.244.0.128/26").value()));
    CHECK_FALSE(config.owns(Ipv4Prefix::parse("10.244.0.192/26").value()));
    CHECK_FALSE(config.owns(Ipv4Prefix::parse("10.244.0.0/27").value()));
    CHECK_FALSE(config.owns(Ipv6Prefix::parse("fd00::/64").value()));
}

TEST_CASE("Keys and backend types match without regard to case") {
    const NetworkConfig config = accepted(
        R"({"network":"10.244.0.0/16","SUBNETLEN":25,"backend":{"type":"VXLAN","vni":7,"directrouting":true}})");

    CHECK(config.subnet_len == 25);
    REQUIRE(backend_name(config.backend) == "vxlan");
    CHECK(std::get<VxlanConfig>(config.backend).vni == 7);
    CHECK(std::get<VxlanConfig>(config.backend).direct_routing);
}

TEST_CASE("null is as good as absent") {
    const NetworkConfig config = accepted(
        R"({"Network":"10.244.0.0/16","SubnetLen":null,"SubnetMin":null,"Backend":{"Type":"vxlan","VNI":null}})");

    CHECK(config.subnet_len == 24);
    CHECK(std::get<VxlanConfig>(config.backend).vni == 1);
}

TEST_CASE("Every backend reads its own keys") {
    const auto vxlan = backend<VxlanConfig>(
        R"({"Type":"vxlan","VNI":16777215,"Port":4789,"MTU":9000,"GBP":true,"Learning":true})");
    CHECK(vxlan.vni == 16777215);
    CHECK(vxlan.udp_port() == 4789);
    CHECK(vxlan.mtu == 9000);
    CHECK(vxlan.gbp);
    CHECK(vxlan.learning);
    CHECK(backend<VxlanConfig>(R"({"Type":"vxlan"})").udp_port() == 8472);

    CHECK(backend<UdpConfig>(R"({"Type":"udp"})").port == 8285);
    CHECK(backend<UdpConfig>(R"({"Type":"udp","Port":9000})").port == 9000);
    CHECK(backend<IpipConfig>(R"({"Type":"ipip","DirectRouting":true})").direct_routing);
    (void)backend<HostGwConfig>(R"({"Type":"host-gw"})");
    (void)backend<AllocConfig>(R"({"Type":"alloc"})");
    CHECK(backend<TencentVpcConfig>(R"({"Type":"tencent-vpc","AccessKeyID":"a"})").access_key_id ==
          "a");

    const auto extension = backend<ExtensionConfig>(
        R"({"Type":"extension","PreStartupCommand":"a","PostStartupCommand":"b","SubnetAddCommand":"c","SubnetRemoveCommand":"d"})");
    CHECK(extension.pre_startup_command == "a");
    CHECK(extension.subnet_remove_command == "d");
}

TEST_CASE("Ipsec needs a pre-shared key and has a default proposal") {
    const std::string psk(96, 'k');

    const auto plain = backend<IpsecConfig>(R"({"Type":"ipsec","PSK":")" + psk + "\"}");
    CHECK(plain.psk == psk);
    CHECK(plain.esp_proposal == "aes128gcm16-sha256-prfsha256-ecp256");
    CHECK_FALSE(plain.udp_encap);

    const auto full = backend<IpsecConfig>(R"({"Type":"ipsec","PSK":")" + psk +
                                           R"(","ESPProposal":"aes256gcm16","UDPEncap":true})");
    CHECK(full.esp_proposal == "aes256gcm16");
    CHECK(full.udp_encap);
}

TEST_CASE("Wireguard has its defaults and keeps what is given") {
    const auto plain = backend<WireguardConfig>(R"({"Type":"wireguard"})");
    CHECK(plain.listen_port == 51820);
    CHECK(plain.listen_port_v6 == 51821);
    CHECK(plain.mode == "separate");
    CHECK(plain.persistent_keepalive == Duration{});

    const auto full = backend<WireguardConfig>(
        R"({"Type":"wireguard","Mode":"auto","PersistentKeepaliveInterval":25,"PSK":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})");
    CHECK(full.mode == "auto");
    CHECK(full.persistent_keepalive == seconds(25));
    CHECK(full.psk.size() == 44);
}

TEST_CASE("What works but was probably not meant is a warning") {
    struct Row {
        std::string json, pointer, part;
    };
    const Row rows[] = {
        {R"({"Network":"10.244.0.0/16"})", "/Backend", "udp is used"},
        {R"({"Network":"10.244.7.9/16","Backend":{"Type":"udp"}})", "/Network",
         "10.244.0.0/16 is used"},
        {R"({"Network":"10.244.0.0/16","SubnetLn":24,"Backend":{"Type":"udp"}})", "/SubnetLn",
         "did you mean \"SubnetLen\"?"},
        {R"({"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","VIN":3}})", "/Backend/VIN",
         "did you mean \"VNI\"?"},
        {R"({"Network":"10.244.0.0/16","Backend":{"Type":"host-gw","a/b~c":3}})",
         "/Backend/a~1b~0c", "unknown key"},
        {R"({"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","MacPrefix":"0E-2A"}})",
         "/Backend/MacPrefix", "Windows"},
        {R"({"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","MTU":60000}})", "/Backend/MTU",
         "more than"},
        {R"({"Network":"10.244.0.0/16","IPv6Network":"fd00::/56","Backend":{"Type":"udp"}})",
         "/IPv6Network", "EnableIPv6 is false"},
        {R"({"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00::/56","Backend":{"Type":"udp"}})",
         "/Backend/Type", "IPv4 only"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.json);
        const ParsedNetworkConfig parsed = parse_network_config(row.json);

        CHECK(parsed.problems.empty());
        REQUIRE(parsed.warnings.size() == 1);
        CHECK(parsed.warnings[0].pointer == row.pointer);
        CHECK_THAT(parsed.warnings[0].message, Catch::Contains(row.part));
    }
}

TEST_CASE("A sound configuration has no warnings") {
    const ParsedNetworkConfig parsed = parse_network_config(
        R"({"Network":"10.244.0.0/16","EnableNFTables":false,"Backend":{"Type":"vxlan"}})");

    CHECK(parsed.problems.empty());
    CHECK(parsed.warnings.empty());
}

}  // namespace overlab
