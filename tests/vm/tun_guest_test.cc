// The tests in tests/kernel of our tunnel against the kernel's FOU, in a guest kernel that has it.
#include <string>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

TEST_CASE("in a guest our tunnel and the kernel's FOU carry each other's packets") {
    // Debian's kernels have FOU as a module that nothing loads; the one of our own has it built in.
    const auto runner = VmRunner::pick({.ipip = true, .virtual_time = true});
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    std::string output;
    GuestJob job;
    job.argv = {OVERLAB_TUN_TESTS, "*KernelsFou*"};
    job.virtual_time.emplace();
    job.output = [&output](std::string_view more) { output += more; };

    const auto code = runner->run(job);

    CAPTURE(to_string(runner->engine()), output);
    REQUIRE(code.has_value());
    CHECK(*code == 0);
    CHECK_FALSE(output.contains("skipped:"));
    CHECK(output.contains("All tests passed"));
}
