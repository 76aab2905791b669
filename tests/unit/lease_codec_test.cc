// Leases as flannel writes them. The texts marked "measured" were read from a store that flanneld
// wrote.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "models/lease/lease.h"

namespace overlab {
namespace {

LeaseSubnet subnet(std::string_view v4, std::string_view v6 = {}) {
    LeaseSubnet out{.v4 = Ipv4Prefix::parse(v4).value(), .v6 = std::nullopt};
    if (!v6.empty()) out.v6 = Ipv6Prefix::parse(v6).value();
    return out;
}

LeaseAttributes attributes(std::string_view public_ip) {
    LeaseAttributes out;
    out.public_ip = Ipv4Address::parse(public_ip).value();
    return out;
}

}  // namespace

TEST_CASE("Lease keys are written and read as flannel's") {
    struct Row {
        std::string v4, v6, key, text;
    };
    const Row rows[] = {
        {"10.244.1.0/24", "", "10.244.1.0-24", "10.244.1.0/24"},
        {"10.64.2.0/24", "fd42:42:0:3d::/64", "10.64.2.0-24&fd42:42:0:3d::-64",
         "10.64.2.0/24, fd42:42:0:3d::/64"},
        {"0.0.0.0/0", "fd00::/64", "0.0.0.0-0&fd00::-64", "fd00::/64"},
        {"192.0.2.128/31", "", "192.0.2.128-31", "192.0.2.128/31"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.key);
        const LeaseSubnet expected = subnet(row.v4, row.v6);

        CHECK(lease_key(expected) == row.key);
        CHECK(expected.to_string() == row.text);
        REQUIRE(parse_lease_key(row.key).has_value());
        CHECK(*parse_lease_key(row.key) == expected);
    }
}

TEST_CASE("Keys that are no leases are refused with the key in the message") {
    const std::vector<std::string> keys{
        "",
        "garbage",
        "10.244.1.0",
        "10.244.1.0/24",
        "10.244.1.0-",
        "-24",
        "10.244.1.0-32",
        "10.244.1.0- 24",
        "10.244.1.0-24x",
        "10.244.1.7-24",
        "10.244.1",
        "10.244.1.0-+24",
        "10.244.1.0-24&",
        "10.244.1.0-24&fd00::",
        "10.244.1.0-24&fd00::-128",
        "0.0.0.0-0",
        "fd00::-64",
        "10.244.1.0-24&::-0",
        "10.244.1.0-24&fd00::1-64",
    };
    for (const std::string& key : keys) {
        CAPTURE(key);
        const auto parsed = parse_lease_key(key);

        REQUIRE_FALSE(parsed.has_value());
        CHECK(parsed.error().kind == ErrorKind::invalid_argument);
        CHECK_THAT(parsed.error().what, Catch::Contains(key));
    }
}

TEST_CASE("Lease values are flannel's byte for byte") {
    LeaseAttributes vxlan = attributes("192.0.2.12");  // measured, address changed
    vxlan.backend_type = "vxlan";
    vxlan.backend_data = R"({"VNI":1,"VtepMAC":"86:83:b8:b4:b9:70"})";
    CHECK(lease_value(vxlan) ==
          R"({"PublicIP":"192.0.2.12","PublicIPv6":null,"BackendType":"vxlan",)"
          R"("BackendData":{"VNI":1,"VtepMAC":"86:83:b8:b4:b9:70"}})");

    CHECK(lease_value(attributes("192.0.2.1")) == R"({"PublicIP":"192.0.2.1","PublicIPv6":null})");

    LeaseAttributes dual = vxlan;
    dual.public_ipv6 = Ipv6Address::parse("2001:db8::7").value();
    dual.backend_v6_data = R"({"VNI":1})";
    CHECK(lease_value(dual) ==
          R"({"PublicIP":"192.0.2.12","PublicIPv6":"2001:db8::7","BackendType":"vxlan",)"
          R"("BackendData":{"VNI":1,"VtepMAC":"86:83:b8:b4:b9:70"},"BackendV6Data":{"VNI":1}})");

    LeaseAttributes extension = attributes("192.0.2.1");
    extension.backend_type = "extension";
    extension.backend_data = R"( "a <b> & c" )";
    CHECK(lease_value(extension) ==
          R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"extension",)"
          R"("BackendData":"a \u003cb\u003e \u0026 c"})");
}

TEST_CASE("What is written reads back") {
    LeaseAttributes out = attributes("198.51.100.9");
    out.public_ipv6 = Ipv6Address::parse("2001:db8::9").value();
    out.backend_type = "wireguard";
    out.backend_data = R"({"PublicKey":"a}b\"c{","Port":51820})";
    out.backend_v6_data = R"([1,{"a":[]},"]"])";

    const auto back = parse_lease_value(lease_value(out));

    REQUIRE(back.has_value());
    CHECK(*back == out);
}

TEST_CASE("Reading tolerates what other writers leave out or add") {
    struct Row {
        std::string what, json, public_ip, type, data;
    };
    const Row rows[] = {
        {"v0.14 without PublicIPv6", R"({"PublicIP":"192.0.2.1"})", "192.0.2.1", "", ""},
        {"an unknown field", R"({"PublicIP":"192.0.2.1","Color":{"x":[1]},"BackendType":"vxlan"})",
         "192.0.2.1", "vxlan", ""},
        {"spaces",
         " { \"PublicIP\" : \"192.0.2.1\" ,\n\"BackendData\" : { \"VNI\" : 1 , \"s\":\"a b\" } } ",
         "192.0.2.1", "", R"({"VNI":1,"s":"a b"})"},
        {"other case", R"({"publicip":"192.0.2.1","BACKENDTYPE":"ipip"})", "192.0.2.1", "ipip", ""},
        {"twice: the last wins", R"({"PublicIP":"192.0.2.1","PublicIP":"192.0.2.2"})", "192.0.2.2",
         "", ""},
        {"nulls",
         R"({"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":null,"BackendData":null})",
         "192.0.2.1", "", "null"},
        {"number as written", R"({"PublicIP":"192.0.2.1","BackendData":1.50e3})", "192.0.2.1", "",
         "1.50e3"},
        {"IPv6 alone", R"({"PublicIP":"0.0.0.0","PublicIPv6":"2001:db8::1"})", "0.0.0.0", "", ""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto parsed = parse_lease_value(row.json);

        REQUIRE(parsed.has_value());
        CHECK(parsed->public_ip.to_string() == row.public_ip);
        CHECK(parsed->backend_type == row.type);
        CHECK(parsed->backend_data == row.data);
    }
}

TEST_CASE("Garbage values are refused with the lease and the field in the message") {
    struct Row {
        std::string value, part;
    };
    const Row rows[] = {
        {"", "line 1"},
        {"garbage", "line 1"},
        {"[]", "must be an object"},
        {"{}", "neither PublicIP nor PublicIPv6"},
        {R"({"PublicIP":7})", "PublicIP must be a string"},
        {R"({"PublicIP":"192.0.2"})", "PublicIP: "},
        {R"({"PublicIP":"192.0.2.1","PublicIPv6":"192.0.2.1"})", "PublicIPv6: "},
        {R"({"PublicIP":"192.0.2.1","BackendType":{}})", "BackendType must be a string"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.value);
        KeyValue entry;
        entry.key = "/coreos.com/network/subnets/10.244.1.0-24";
        entry.value = row.value;
        const auto parsed = parse_lease(entry);

        REQUIRE_FALSE(parsed.has_value());
        CHECK_THAT(parsed.error().what, Catch::StartsWith("lease 10.244.1.0/24: "));
        CHECK_THAT(parsed.error().what, Catch::Contains(row.part));
    }
}

TEST_CASE("A stored entry becomes a lease under any prefix") {
    KeyValue entry;
    entry.key = "/deep/er/subnets/10.244.7.0-24";
    entry.value = R"({"PublicIP":"192.0.2.7","PublicIPv6":null})";
    entry.mod_revision = 42;
    entry.lease = {5};

    const auto lease = parse_lease(entry);

    REQUIRE(lease.has_value());
    CHECK(lease->subnet == subnet("10.244.7.0/24"));
    CHECK(lease->attributes == attributes("192.0.2.7"));
    CHECK(lease->mod_revision == 42);
    CHECK(lease->kv_lease == KvLeaseId{5});
}

}  // namespace overlab
