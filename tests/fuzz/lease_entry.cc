// Any bytes in a store are either a lease, which is then written as it was read, or an error. The
// first line is the key, the rest the value.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/base/check.h"
#include "models/lease/lease.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace overlab;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t line = text.find('\n');
    KeyValue entry;
    entry.key = text.substr(0, line);
    entry.value = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);

    if (const auto subnet = parse_lease_key(entry.key))
        CHECK(parse_lease_key(lease_key(*subnet)) == subnet);
    const auto lease = parse_lease(entry);
    if (!lease) {
        CHECK(lease.error().kind == ErrorKind::invalid_argument);
        return 0;
    }
    // Backend types are constants in what we write; a stored one may be any text.
    LeaseAttributes again = lease->attributes;
    again.backend_type.clear();
    const auto back = parse_lease_value(lease_value(again));
    CHECK(back.has_value());
    CHECK(back->public_ip == again.public_ip);
    CHECK(back->public_ipv6 == again.public_ipv6);
    CHECK(back->backend_data.empty() == again.backend_data.empty());
    return 0;
}
