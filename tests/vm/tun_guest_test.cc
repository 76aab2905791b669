// The tests in tests/kernel of our tunnel against the kernel's FOU, in a guest kernel that has it.
#include <string>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

TEST_CASE("in a guest our tunnel and the kernel's FOU carry each other's packets") {
    // A kernel that has IP in IP may have FOU; the program says whether it does.
    const auto runner = VmRunner::pick({.ipip = true});
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    std::string output;
    GuestJob job;
    job.argv = {OVERLAB_TUN_TESTS, "*KernelsFou*"};
    job.output = [&output](std::string_view more) { output += more; };

    const auto code = runner->run(job);

    CAPTURE(to_string(runner->engine()), output);
    REQUIRE(code.has_value());
    CHECK(*code == 0);
    if (output.contains("skipped:")) {
        const std::size_t at = output.find("skipped:");
        WARN("in the guest: " << output.substr(at, output.find('\n', at) - at));
        return;
    }
    CHECK(output.contains("All tests passed"));
}
