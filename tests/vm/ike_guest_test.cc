// The ESP tests of tests/kernel, in a guest kernel that has ESP where this machine's has not.
#include <string>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

TEST_CASE("in a guest with ESP, all tests of ipsec pass and none is skipped") {
    const auto runner = VmRunner::pick({.esp = true});
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    std::string output;
    GuestJob job;
    job.argv = {OVERLAB_IKE_TESTS, "--durations", "yes"};
    job.limit = minutes(5);
    job.output = [&output](std::string_view more) { output += more; };

    const auto code = runner->run(job);

    CAPTURE(to_string(runner->engine()), output);
    REQUIRE(code.has_value());
    CHECK(*code == 0);
    CHECK_FALSE(output.contains("skipped:"));
}
