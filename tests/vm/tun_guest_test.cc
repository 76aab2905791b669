// The tests in tests/kernel of our tunnel against the kernel's FOU, in a guest kernel that has it.
#include "tests/support/guest_tests.h"

using overlab::test::all_pass_in_guest;

TEST_CASE("in a guest our tunnel and the kernel's FOU carry each other's packets") {
    // Debian's kernels have FOU as a module that nothing loads; the one of our own has it built in.
    all_pass_in_guest({.ipip = true, .virtual_time = true}, {OVERLAB_TUN_TESTS, "*KernelsFou*"});
}
