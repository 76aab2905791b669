// What a network configuration is refused for: each row one mistake, where it is and what is said
// of it.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "models/lease/network_config.h"

namespace overlab {
namespace {

struct Row {
    std::string mistake, json, pointer, part;
};

std::string with(std::string_view members) {
    return R"({"Network":"10.244.0.0/16",)" + std::string(members) + "}";
}
std::string with6(std::string_view members) {
    return R"({"EnableIPv4":false,"EnableIPv6":true,)" + std::string(members) +
           R"(,"Backend":{"Type":"vxlan"}})";
}
std::string with_backend(std::string_view object) {
    return with("\"Backend\":" + std::string(object));
}

void expect_refused(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        CAPTURE(row.mistake, row.json);
        const ParsedNetworkConfig parsed = parse_network_config(row.json);

        REQUIRE(parsed.problems.size() == 1);
        CHECK(parsed.problems[0].pointer == row.pointer);
        CHECK_THAT(parsed.problems[0].message, Catch::Contains(row.part));
    }
}

}  // namespace

TEST_CASE("Text that is no JSON object is refused as a whole") {
    expect_refused({
        {"empty", "", "", "line 1, column 1"},
        {"cut off", R"({"Network":)", "", "line 1, column 12"},
        {"trailing comma", "{\"Network\":\n\"10.244.0.0/16\",}", "", "line 2"},
        {"a comment", "{} // mine", "", "line 1"},
        {"an array", "[]", "", "is an array"},
        {"a number", "7", "", "is an integer"},
        {"not UTF-8", "{\"\xff\":1}", "", "UTF-8"},
        {"deep nesting", std::string(100, '[') + std::string(100, ']'), "",
         "nested deeper than 64"},
        {"a megabyte", "\"" + std::string(2'000'000, 'x') + "\"", "", "at most 1048576"},
    });
}

TEST_CASE("IPv4 numbers that can never work are refused") {
    expect_refused({
        {"no Network", R"({"Backend":{"Type":"udp"}})", "/Network", "is required"},
        {"no CIDR", R"({"Network":"10.244.0.0"})", "/Network", "10.244.0.0/16"},
        {"octet 300", R"({"Network":"10.300.0.0/16"})", "/Network", "IPv4 network"},
        {"IPv6 in Network", R"({"Network":"fd00::/56"})", "/Network", "IPv4 network"},
        {"everything", R"({"Network":"0.0.0.0/0"})", "/Network", "every address"},
        {"loopback", R"({"Network":"127.0.0.0/16"})", "/Network", "loopback"},
        {"multicast", R"({"Network":"224.0.0.0/8"})", "/Network", "multicast"},
        {"network too small", R"({"Network":"192.0.2.0/29"})", "/Network", "too small"},
        {"subnet as large as Network", with(R"("SubnetLen":16)"), "/SubnetLen", "from 18 to 30"},
        {"two subnets", with(R"("SubnetLen":17)"), "/SubnetLen", "from 18 to 30"},
        {"subnets of two", with(R"("SubnetLen":31)"), "/SubnetLen", "from 18 to 30"},
        {"no length fits", R"({"Network":"192.0.2.0/29","SubnetLen":30})", "/SubnetLen",
         "no length fits"},
        {"negative length", with(R"("SubnetLen":-1)"), "/SubnetLen", "from 0 to 32, is -1"},
        {"huge length", with(R"("SubnetLen":99999999999999999999)"), "/SubnetLen",
         "is 99999999999999999999"},
        {"fraction", with(R"("SubnetLen":24.5)"), "/SubnetLen", "is 24.5"},
        {"quoted length", with(R"("SubnetLen":"24")"), "/SubnetLen", "without quotes"},
        {"length is a list", with(R"("SubnetLen":[24])"), "/SubnetLen", "is an array"},
        {"min no address", with(R"("SubnetMin":"10.244.1")"), "/SubnetMin",
         "must be an IPv4 address"},
        {"min a number", with(R"("SubnetMin":10)"), "/SubnetMin", "must be a string"},
        {"min outside", with(R"("SubnetMin":"10.245.0.0")"), "/SubnetMin", "outside Network"},
        {"max outside", with(R"("SubnetMax":"10.243.255.0")"), "/SubnetMax", "outside Network"},
        {"min unaligned", with(R"("SubnetMin":"10.244.1.7")"), "/SubnetMin", "10.244.1.0 is"},
        {"max unaligned", with(R"("SubnetMax":"10.244.9.255")"), "/SubnetMax", "10.244.9.0 is"},
        {"min after max", with(R"("SubnetMin":"10.244.9.0","SubnetMax":"10.244.8.0")"),
         "/SubnetMin", "SubnetMin 10.244.9.0 comes after SubnetMax 10.244.8.0"},
        {"max before the default min", with(R"("SubnetMax":"10.244.0.0")"), "/SubnetMax",
         "comes after"},
        {"flag is a string", with(R"("EnableIPv4":"yes")"), "/EnableIPv4", "true or false"},
        {"no family", with(R"("EnableIPv4":false)"), "/EnableIPv4", "no address family is left"},
        {"given twice", with(R"("SubnetLen":24,"SubnetLen":25)"), "/SubnetLen", "given twice"},
        {"twice but for case", with(R"("SubnetLen":24,"subnetlen":24)"), "/subnetlen",
         "\"SubnetLen\""},
    });
}

TEST_CASE("IPv6 numbers that can never work are refused") {
    expect_refused({
        {"no network", with6(R"("EnableNFTables":true)"), "/IPv6Network", "is required"},
        {"IPv4 text", with6(R"("IPv6Network":"10.244.0.0/16")"), "/IPv6Network", "IPv6 network"},
        {"multicast", with6(R"("IPv6Network":"ff00::/56")"), "/IPv6Network", "multicast"},
        {"link-local", with6(R"("IPv6Network":"fe80::/64")"), "/IPv6Network", "link-local"},
        {"everything", with6(R"("IPv6Network":"::/0")"), "/IPv6Network", "every address"},
        {"too small", with6(R"("IPv6Network":"fd00::/125")"), "/IPv6Network", "/124 or shorter"},
        {"length 127", with6(R"("IPv6Network":"fd00::/56","IPv6SubnetLen":127)"), "/IPv6SubnetLen",
         "from 58 to 126"},
        {"length 57", with6(R"("IPv6Network":"fd00::/56","IPv6SubnetLen":57)"), "/IPv6SubnetLen",
         "from 58 to 126"},
        {"min outside", with6(R"("IPv6Network":"fd00::/56","IPv6SubnetMin":"fd01::")"),
         "/IPv6SubnetMin", "outside IPv6Network"},
        {"max unaligned", with6(R"("IPv6Network":"fd00::/56","IPv6SubnetMax":"fd00:0:0:9::1")"),
         "/IPv6SubnetMax", "fd00:0:0:9:: is"},
        {"min after max",
         with6(
             R"("IPv6Network":"fd00::/56","IPv6SubnetMin":"fd00:0:0:9::","IPv6SubnetMax":"fd00:0:0:8::")"),
         "/IPv6SubnetMin", "comes after"},
    });
}

TEST_CASE("Backend objects that can never work are refused") {
    const std::string short_key(95, 'k');
    expect_refused({
        {"Backend a string", with_backend(R"("vxlan")"), "/Backend", "must be an object"},
        {"Backend null", with_backend("null"), "/Backend", "must be an object"},
        {"no Type", with_backend("{}"), "/Backend/Type", "is required"},
        {"Type a number", with_backend(R"({"Type":1})"), "/Backend/Type", "must be a string"},
        {"Type misspelt", with_backend(R"({"Type":"vlxan"})"), "/Backend/Type",
         "did you mean \"vxlan\"?"},
        {"Type unheard of", with_backend(R"({"Type":"carrier-pigeon"})"), "/Backend/Type",
         "known: vxlan, host-gw, udp"},
        {"aws-vpc", with_backend(R"({"Type":"aws-vpc"})"), "/Backend/Type",
         "removed from flannel in v0.20"},
        {"gce", with_backend(R"({"Type":"gce"})"), "/Backend/Type",
         "removed from flannel in v0.20"},
        {"ali-vpc", with_backend(R"({"Type":"ALI-VPC"})"), "/Backend/Type",
         "removed from flannel in v0.20"},
        {"VNI 0", with_backend(R"({"Type":"vxlan","VNI":0})"), "/Backend/VNI",
         "from 1 to 16777215"},
        {"VNI 2^24", with_backend(R"({"Type":"vxlan","VNI":16777216})"), "/Backend/VNI",
         "is 16777216"},
        {"Port 65536", with_backend(R"({"Type":"vxlan","Port":65536})"), "/Backend/Port",
         "from 0 to 65535"},
        {"udp port 0", with_backend(R"({"Type":"udp","Port":0})"), "/Backend/Port",
         "from 1 to 65535"},
        {"tiny MTU", with_backend(R"({"Type":"vxlan","MTU":100})"), "/Backend/MTU", "at least 576"},
        {"giant MTU", with_backend(R"({"Type":"vxlan","MTU":1000000000})"), "/Backend/MTU",
         "65535"},
        {"flag a number", with_backend(R"({"Type":"vxlan","GBP":1})"), "/Backend/GBP",
         "true or false"},
        {"no PSK", with_backend(R"({"Type":"ipsec"})"), "/Backend/PSK", "is required"},
        {"short PSK", with_backend(R"({"Type":"ipsec","PSK":")" + short_key + "\"}"),
         "/Backend/PSK", "has 95"},
        {"PSK a number", with_backend(R"({"Type":"ipsec","PSK":5})"), "/Backend/PSK",
         "must be a string"},
        {"empty proposal",
         with_backend(R"({"Type":"ipsec","ESPProposal":"","PSK":")" + short_key + "k\"}"),
         "/Backend/ESPProposal", "must not be empty"},
        {"wireguard mode", with_backend(R"({"Type":"wireguard","Mode":"ipv5"})"), "/Backend/Mode",
         "did you mean \"ipv4\"?"},
        {"wireguard key", with_backend(R"({"Type":"wireguard","PSK":"hunter2"})"), "/Backend/PSK",
         "44 base64"},
        {"keepalive", with_backend(R"({"Type":"wireguard","PersistentKeepaliveInterval":-5})"),
         "/Backend/PersistentKeepaliveInterval", "from 0 to 65535"},
        {"given twice", with_backend(R"({"Type":"udp","type":"udp"})"), "/Backend/type",
         "given twice"},
        {"IPv4-only backend for IPv6",
         R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/56","Backend":{"Type":"ipsec","PSK":")" +
             short_key + "k\"}}",
         "/Backend/Type", "IPv4 only"},
        {"vxlan MTU too small for IPv6",
         R"({"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00::/56","Backend":{"Type":"vxlan","MTU":1300}})",
         "/Backend/MTU", "at least 1350 with IPv6"},
    });
}

TEST_CASE("All mistakes are reported at once") {
    const ParsedNetworkConfig parsed = parse_network_config(
        R"({"Network":"10.244.0.0/16","SubnetMin":"10.1.0.0","SubnetMax":3,"Backend":{"Type":"vxlan","VNI":0,"Port":-1}})");

    CHECK(parsed.problems.size() == 4);
}

TEST_CASE("A refused secret is not repeated in the message") {
    const ParsedNetworkConfig parsed =
        parse_network_config(with_backend(R"({"Type":"ipsec","PSK":"hunter2"})"));

    REQUIRE(parsed.problems.size() == 1);
    CHECK(parsed.problems[0].message.find("hunter2") == std::string::npos);
}

TEST_CASE("An object with absurdly many keys is refused without listing them") {
    std::string json = R"({"Network":"10.244.0.0/16","Backend":{"Type":"udp"})";
    for (int i = 0; i < 10'000; ++i) json += ",\"k" + std::to_string(i) + "\":1";
    const ParsedNetworkConfig parsed = parse_network_config(json + "}");

    REQUIRE(parsed.problems.size() == 1);
    CHECK_THAT(parsed.problems[0].message, Catch::Contains("10002 keys"));
    CHECK(parsed.warnings.empty());
}

}  // namespace overlab
