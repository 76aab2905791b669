// The tests of ipip and WireGuard rows in tests/kernel, in guest kernels that have them.
#include "tests/support/guest_tests.h"

using overlab::test::all_pass_in_guest;

TEST_CASE("in a guest with ipip its rows are held and its packets arrive") {
    all_pass_in_guest({.ipip = true}, {OVERLAB_NETLINK_TESTS, "*contract for ipip,*ipip tunnel"});
}

TEST_CASE("in a guest with WireGuard its rows are held and its packets arrive") {
    all_pass_in_guest(
        {.wireguard = true},
        {OVERLAB_NETLINK_TESTS, "*contract for WireGuard,*WireGuard tunnel*,[wireguard]"});
}
