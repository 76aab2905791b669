// Text forms of addresses and prefixes: canonical output, what is accepted, what is refused and
// why.
#include <catch2/catch.hpp>

#include "models/net/address.h"

using namespace overlab;

namespace {

template <typename T>
std::string reparsed(const char* text) {
    const auto value = T::parse(text);
    return value ? value->to_string() : "error: " + value.error().what;
}

}  // namespace

TEST_CASE("IPv4 addresses print as they were written") {
    for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "10.244.0.9"}) {
        CHECK(reparsed<Ipv4Address>(text) == text);
    }
    CHECK(Ipv4Address::parse("192.0.2.1")->bits == 0xc0000201);
}

TEST_CASE("anything but four plain decimal octets is no IPv4 address") {
    const struct {
        const char *why, *text;
    } rows[] = {
        {"empty", ""},
        {"three octets", "192.0.2"},
        {"five octets", "192.0.2.1.5"},
        {"octet above 255", "192.0.2.256"},
        {"huge octet", "192.0.2.4294967297"},
        {"leading zero could mean octal", "192.0.2.010"},
        {"sign", "192.0.2.-1"},
        {"blank before", " 192.0.2.1"},
        {"blank after", "192.0.2.1 "},
        {"empty octet", "192..2.1"},
        {"dot at the end", "192.0.2.1."},
        {"dot at the end instead of an octet", "192.0.2."},
        {"hex", "0xc0.0.2.1"},
        {"a prefix", "192.0.2.0/24"},
    };
    for (const auto& row : rows) {
        INFO(row.why);
        const auto parsed = Ipv4Address::parse(row.text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().kind == ErrorKind::invalid_argument);
    }
}

TEST_CASE("a refused address is quoted with what was expected") {
    CHECK(Ipv4Address::parse("192.0.2").error().what ==
          "IPv4 address \"192.0.2\": expected four decimal octets (0 to 255, no leading zeros) "
          "as in 192.0.2.1");
    CHECK(Ipv4Prefix::parse("192.0.2.0/33").error().what ==
          "IPv4 prefix \"192.0.2.0/33\": expected an IPv4 address, '/' and a length of 0 to 32 "
          "as in 192.0.2.0/24");
}

TEST_CASE("a refused text is shown bounded and without control bytes") {
    const std::string what = Ipv4Address::parse(std::string(5000, 'x')).error().what;
    CHECK(what.size() < 200);
    CHECK(what.find("xxx...\"") != std::string::npos);

    CHECK(Ipv4Address::parse("1\x1b[2J\n").error().what.find("\"1?[2J?\"") != std::string::npos);
}

TEST_CASE("IPv6 addresses print in RFC 5952 form") {
    const struct {
        const char *rule, *text, *canonical;
    } rows[] = {
        {"§4.1 leading zeros go", "2001:0db8::0001", "2001:db8::1"},
        {"§4.2.1 shorten as much as possible", "2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},
        {"§4.2.2 one zero group stays", "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"§4.2.2 written :: for one group", "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"§4.2.3 the longest run", "2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"§4.2.3 the first of equal runs", "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"§4.3 lower case", "2001:DB8::AbCd", "2001:db8::abcd"},
        {"§5 IPv4-mapped", "::FFFF:c000:0201", "::ffff:192.0.2.1"},
        {"IPv4 tail after groups", "64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
        {"IPv4-compatible is no longer special", "::192.0.2.1", "::c000:201"},
        {"zeros at the start", "0:0:0:0:0:0:0:1", "::1"},
        {"zeros at the end", "2001:db8:1:2:0:0:0:0", "2001:db8:1:2::"},
        {"all zeros", "0:0:0:0:0:0:0:0", "::"},
        {"no zeros", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    };
    for (const auto& row : rows) {
        INFO(row.rule);
        CHECK(reparsed<Ipv6Address>(row.text) == row.canonical);
        CHECK(reparsed<Ipv6Address>(row.canonical) == row.canonical);
    }
}

TEST_CASE("malformed IPv6 addresses are refused") {
    const struct {
        const char *why, *text;
    } rows[] = {
        {"empty", ""},
        {"seven groups", "1:2:3:4:5:6:7"},
        {"nine groups", "1:2:3:4:5:6:7:8:9"},
        {"two gaps", "2001:db8::1::2"},
        {"gap that stands for nothing", "1:2:3:4::5:6:7:8"},
        {"three colons", "1:::2"},
        {"colon at the start", ":1:2:3:4:5:6:7"},
        {"colon at the end", "1:2:3:4:5:6:7:"},
        {"five digits", "2001:db8::12345"},
        {"no hex digit", "2001:db8::g"},
        {"IPv4 tail in front of the gap", "192.0.2.1::1"},
        {"IPv4 tail and eight groups", "1:2:3:4:5:6:7:192.0.2.1"},
        {"bad IPv4 tail", "::ffff:192.0.2.256"},
        {"zone index", "fe80::1%eth0"},
    };
    for (const auto& row : rows) {
        INFO(row.why);
        CHECK_FALSE(Ipv6Address::parse(row.text).has_value());
    }
}

TEST_CASE("MAC addresses are six two-digit octets, printed in lower case") {
    CHECK(reparsed<MacAddress>("02:00:00:00:00:01") == "02:00:00:00:00:01");
    CHECK(reparsed<MacAddress>("02:00:5E:10:aB:fF") == "02:00:5e:10:ab:ff");
    CHECK(MacAddress::parse("02:00:00:00:01:ff")->bits == 0x0200'0000'01ff);
    CHECK(MacAddress::broadcast().to_string() == "ff:ff:ff:ff:ff:ff");
    for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:01:02", "02-00-00-00-00-01",
                             "2:0:0:0:0:1", "02:00:00:00:00:0g", "0200.0000.0001"}) {
        INFO(text);
        CHECK_FALSE(MacAddress::parse(text).has_value());
    }
}

TEST_CASE("the group bit of the first octet marks multicast") {
    CHECK(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
    CHECK(MacAddress::broadcast().is_multicast());
    CHECK_FALSE(MacAddress::parse("02:00:00:00:00:01")->is_multicast());
}

TEST_CASE("IPv4 prefixes lose their host bits") {
    CHECK(reparsed<Ipv4Prefix>("192.0.2.77/26") == "192.0.2.64/26");
    CHECK(reparsed<Ipv4Prefix>("192.0.2.77/32") == "192.0.2.77/32");
    CHECK(reparsed<Ipv4Prefix>("192.0.2.77/0") == "0.0.0.0/0");
    for (const char* text : {"", "/", "192.0.2.0", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/024",
                             "192.0.2/24", "192.0.2.0/24/24", "192.0.2.0/-1", "192.0.2.0/ 24"}) {
        INFO(text);
        CHECK_FALSE(Ipv4Prefix::parse(text).has_value());
    }
}

TEST_CASE("IPv6 prefixes lose their host bits") {
    CHECK(reparsed<Ipv6Prefix>("2001:db8:ffff::1/33") == "2001:db8:8000::/33");
    CHECK(reparsed<Ipv6Prefix>("2001:db8::1/128") == "2001:db8::1/128");
    CHECK(reparsed<Ipv6Prefix>("2001:db8::1/0") == "::/0");
    for (const char* text : {"2001:db8::/129", "2001:db8::", "192.0.2.0/24", "2001:db8::/"}) {
        INFO(text);
        CHECK_FALSE(Ipv6Prefix::parse(text).has_value());
    }
}

TEST_CASE("addresses of a prefix count from its network") {
    const auto prefix = *Ipv4Prefix::parse("192.0.2.64/26");
    CHECK(prefix.size() == 64);
    CHECK(prefix.at(0).to_string() == "192.0.2.64");
    CHECK(prefix.at(63).to_string() == "192.0.2.127");
    CHECK(Ipv4Prefix::parse("0.0.0.0/0")->at(0xffff'ffff).to_string() == "255.255.255.255");
}

TEST_CASE("prefixes order by network, then by length") {
    const auto p = [](const char* text) { return *Ipv4Prefix::parse(text); };
    CHECK(p("192.0.2.0/24") < p("192.0.2.0/25"));
    CHECK(p("192.0.2.0/25") < p("192.0.2.128/25"));
    CHECK(p("192.0.2.0/24") == p("192.0.2.9/24"));
}
