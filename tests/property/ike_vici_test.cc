// Any message survives the wire, and any bytes at all are either a message or refused.
#include <string>
#include <vector>

#include "real/ike/vici_message.h"
#include "tests/support/property.h"

namespace overlab::real {
namespace {

std::string any_name() {
    return *rc::gen::container<std::string>(rc::gen::inRange('a', static_cast<char>('z' + 1)));
}

ViciSection any_section(int depth) {
    ViciSection section;
    const int count = *rc::gen::inRange(0, 4);
    for (int i = 0; i < count; ++i) {
        switch (*rc::gen::inRange(0, depth > 0 ? 3 : 2)) {
            case 0:
                section.add(any_name(), *rc::gen::arbitrary<std::string>());
                break;
            case 1:
                section.add_list(any_name(), *rc::gen::arbitrary<std::vector<std::string>>());
                break;
            default:
                section.add_section(any_name(), any_section(depth - 1));
        }
    }
    return section;
}

TEST_CASE("any message survives the wire") {
    test::holds([] {
        const ViciSection message = any_section(3);
        const auto bytes = encode_vici(message);
        RC_ASSERT(bytes.has_value());
        RC_ASSERT((decode_vici(*bytes) == message));
    });
}

TEST_CASE("any bytes are a message or refused") {
    // Mostly types and small lengths, so that much of it gets far.
    test::holds(
        [] {
            const auto bytes = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>({
                {8, rc::gen::inRange('\0', '\x09')},
                {1, rc::gen::arbitrary<char>()},
            }));
            const auto message = decode_vici(bytes);
            // What was taken for a message is one: the format has one way to write each.
            if (message) RC_ASSERT((encode_vici(*message) == bytes));
        },
        5000);
}

TEST_CASE("a damaged message is a message or refused") {
    test::holds(
        [] {
            std::string bytes = encode_vici(any_section(3)).value();
            if (bytes.empty()) return;
            const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
            bytes[at] = *rc::gen::arbitrary<char>();
            const auto message = decode_vici(bytes);
            if (message) RC_ASSERT((encode_vici(*message) == bytes));
        },
        1000);
}

}  // namespace
}  // namespace overlab::real
