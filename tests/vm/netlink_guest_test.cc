// The tests of ipip and WireGuard rows in tests/kernel, in guest kernels that have them.
#include <string>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

/// All tests that `filter` chooses pass there, and none is skipped.
void passes_in_a_guest(const GuestNeeds& needs, const std::string& filter) {
    const auto runner = VmRunner::pick(needs);
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    std::string output;
    GuestJob job;
    job.argv = {OVERLAB_NETLINK_TESTS, filter};
    job.output = [&output](std::string_view more) { output += more; };

    const auto code = runner->run(job);

    CAPTURE(to_string(runner->engine()), output);
    REQUIRE(code.has_value());
    CHECK(*code == 0);
    CHECK_FALSE(output.contains("skipped:"));
    CHECK(output.contains("All tests passed"));
}

}  // namespace

TEST_CASE("in a guest with ipip its rows are held and its packets arrive") {
    passes_in_a_guest({.ipip = true}, "*contract for ipip,*ipip tunnel");
}

TEST_CASE("in a guest with WireGuard its rows are held and its packets arrive") {
    passes_in_a_guest({.wireguard = true},
                      "*contract for WireGuard,*WireGuard tunnel*,[wireguard]");
}
