// VmRunner with QEMU and TCG, where there is a kernel to boot: it takes 5 s on a quiet machine.
#include <fstream>
#include <iterator>
#include <string>

#include "real/vm/guest_engine.h"
#include "real/vm/vm_runner.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;

TEST_CASE("under TCG a stock kernel has all, and does what User-mode Linux does") {
    // The user's own cache: the kernel in it is 90 MB, and is not downloaded for a test.
    const auto runner =
        VmRunner::pick({.esp = true, .netem = true, .wireguard = true, .ipip = true, .nat = true},
                       GuestEngine::tcg);
    if (!runner) {
        WARN("skipped: " << runner.error().what);
        return;
    }
    const test::TempFolder shared;
    std::string output;
    GuestJob job;
    job.argv = {"/bin/sh", "-c",
                "pwd; printf 'a\\r\\nb\\0c\\377\\n'; yes 0123456789 | head -n 100000; "
                "tr a-z A-Z < input > output; echo x > /etc/overlab-guest-was-here; "
                "ip tuntap add probe mode tun && ip link add probe2 type wireguard && exit 5"};
    job.folder = shared.path();
    job.writable = {shared.path()};
    job.limit = minutes(3);
    job.output = [&output](std::string_view more) { output += more; };
    std::ofstream(shared.path() / "input") << "from the machine\n";

    const Result<int> code = runner->run(job);

    REQUIRE(code.has_value());
    CHECK(*code == 5);
    std::string expected = shared.path().string() + "\na\r\nb" + std::string(1, '\0') + "c\xff\n";
    for (int i = 0; i < 100000; ++i) expected += "0123456789\n";
    CHECK((output == expected));
    std::ifstream written(shared.path() / "output");
    CHECK(std::string(std::istreambuf_iterator<char>(written), {}) == "FROM THE MACHINE\n");
    CHECK_FALSE(std::filesystem::exists("/etc/overlab-guest-was-here"));
}
