// The tests in tests/kernel of the cross-check's kernel half, in a guest kernel that has every
// backend and where silence costs no time.
#include <string>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

TEST_CASE("in a guest probes meet the fate that rows say, with every backend") {
    const auto runner = VmRunner::pick({.virtual_time = true}, GuestEngine::uml);
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    std::string output;
    GuestJob job;
    job.argv = {OVERLAB_CROSSCHECK_TESTS};
    job.virtual_time = {.seed = 1};
    job.output = [&output](std::string_view more) { output += more; };

    const auto code = runner->run(job);

    CAPTURE(output);
    REQUIRE(code.has_value());
    CHECK(*code == 0);
    // Our own configuration has all that a backend needs.
    CHECK_FALSE(output.contains("skipped:"));
    CHECK(output.contains("All tests passed"));
}
