#include "models/net/wireguard_key.h"

#include <string>

#include "tests/support/catch.h"

using namespace overlab;

TEST_CASE("a key is written in base64 and read back", "[net]") {
    WireguardKey key;
    for (std::size_t i = 0; i < key.bytes.size(); ++i) {
        key.bytes[i] = static_cast<std::uint8_t>(i * 9 + 3);
    }

    const std::string text = key.to_string();

    // From `base64` on the same bytes.
    CHECK(text == "AwwVHicwOUJLVF1mb3iBipOcpa63wMnS2+Tt9v8IERo=");
    CHECK(WireguardKey::parse(text) == key);
}

TEST_CASE("what is no key is refused, and not repeated", "[net]") {
    const auto text = GENERATE("", "AwwV", "AwwVHicwOUJLVF1mb3iBipOcpa63wMnS2+Tt9v8IERo",
                               "AwwVHicwOUJLVF1mb3iBipOcpa63wMnS2+Tt9v8IERp=",  // spare bits set
                               "AwwVHicwOUJLVF1mb3iBipOcpa63wMnS2_Tt9v8IERo=",
                               "AwwVHicwOUJLVF1mb3iBipOcpa63wMnS2+Tt9v8IERoA");

    const Result<WireguardKey> parsed = WireguardKey::parse(text);

    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().kind == ErrorKind::invalid_argument);
    if (*text != '\0') CHECK_THAT(parsed.error().what, !Catch::Contains(std::string(text)));
}

TEST_CASE("fingerprints tell keys apart", "[net]") {
    WireguardKey a;
    WireguardKey b;
    b.bytes[31] = 1;
    CHECK(a.fingerprint() != b.fingerprint());
    CHECK(a.is_zero());
    CHECK_FALSE(b.is_zero());
}
