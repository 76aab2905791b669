// The ESP tests of tests/kernel, in a guest kernel that has ESP where this machine's has not.
#include "tests/support/guest_tests.h"

using overlab::test::all_pass_in_guest;

TEST_CASE("in a guest with ESP, all tests of ipsec pass and none is skipped") {
    all_pass_in_guest({.esp = true}, {OVERLAB_IKE_TESTS, "--durations", "yes"});
}
