// Runs a test program of ours as root under a guest kernel that has what its tests need.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"

namespace overlab::test {

/// All chosen tests pass there, and none is skipped. Needs that only virtual time has make it run
/// in virtual time. Where no kernel has what is needed, this test is skipped with the reason.
inline void all_pass_in_guest(const real::GuestNeeds& needs, std::vector<std::string> argv) {
    const auto runner = real::VmRunner::pick(needs);
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    std::string output;
    real::GuestJob job;
    job.argv = std::move(argv);
    if (needs.virtual_time) job.virtual_time.emplace();
    job.output = [&output](std::string_view more) { output += more; };

    const auto code = runner->run(job);

    CAPTURE(to_string(runner->engine()), output);
    REQUIRE(code.has_value());
    CHECK(*code == 0);
    CHECK_FALSE(output.contains("skipped:"));
    CHECK(output.contains("All tests passed"));
}

}  // namespace overlab::test
