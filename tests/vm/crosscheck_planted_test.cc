// The whole cross-check in a guest in virtual time, with planted mistakes.
#include <string>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

TEST_CASE("in a guest a mistake planted in either half is found and shrunk") {
    const auto runner =
        VmRunner::pick({.esp = true, .wireguard = true, .ipip = true, .virtual_time = true});
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    std::string output;
    GuestJob job;
    job.argv = {OVERLAB_CROSSCHECK_TESTS, "[.planted]"};
    job.virtual_time = {.seed = 1};
    job.output = [&output](std::string_view more) { output += more; };

    const auto code = runner->run(job);

    CAPTURE(output);
    REQUIRE(code.has_value());
    CHECK(*code == 0);
    CHECK(output.contains("All tests passed"));
}
