// What a link becomes in virtual time, where timers are exact, and on a machine, where they are
// not.
#include "real/lab/link_shape.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

/// Full packets of 1538 octets on the wire.
const UnderlayLink fast_and_near{
    .rate_bps = 10'000'000'000, .delay = microseconds(5), .queue_bytes = 1'000'000, .mtu = 1500};
const ShapeLimits machine{.shape_below_bps = 5'000'000'000}, virtual_time{.exact = true};

}  // namespace

TEST_CASE("A machine's links of 10 Gbit/s and 5 us are left plain") {
    CHECK(shape_of(fast_and_near, machine).is_plain());
}

TEST_CASE("In virtual time every rate and every delay is modelled") {
    const LinkShape shape = shape_of(fast_and_near, virtual_time);

    CHECK(shape.rate_bps == 10'000'000'000);
    CHECK(shape.delay == microseconds(5));
    CHECK(shape.burst_bytes == 0);
    CHECK(shape.queue_packets == 650);  // 1,000,000 / 1538
    // As many of the smallest packets as cross in a millisecond; and what waits in the queue counts
    // against the line's limit too.
    CHECK(shape.delay_line_packets == 14'880 + 650);
}

TEST_CASE("A queue that is shorter than a packet still holds the one on the line") {
    UnderlayLink link = fast_and_near;
    link.queue_bytes = 1500;

    CHECK(shape_of(link, virtual_time).queue_packets == 1);
}

TEST_CASE("A link without delay and loss needs no line in virtual time either") {
    UnderlayLink link = fast_and_near;
    link.delay = {};

    CHECK_FALSE(shape_of(link, virtual_time).has_line());
    CHECK_FALSE(shape_of(link, virtual_time).is_plain());
}

TEST_CASE("Pods' links have a rate in virtual time, and the report says so in one line") {
    CHECK(pod_shape().rate_bps == pod_rate_bps);
    CHECK(pod_shape().queue_packets > 0);
    const auto warnings = shape_warnings({fast_and_near}, virtual_time);
    REQUIRE(warnings.size() == 1);
    CHECK(warnings.front().contains("pods' links are shaped to 40 Gbit/s"));
}
