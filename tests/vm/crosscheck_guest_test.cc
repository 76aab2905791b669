// The cross-check in a guest kernel that has every backend and where silence costs no time.
#include "tests/support/guest_tests.h"

using overlab::test::all_pass_in_guest;

namespace {

constexpr overlab::real::GuestNeeds everything{
    .esp = true, .wireguard = true, .ipip = true, .virtual_time = true};

}  // namespace

TEST_CASE("in a guest probes meet the fate that rows say, with every backend") {
    all_pass_in_guest(everything, {OVERLAB_CROSSCHECK_TESTS});
}

TEST_CASE("in a guest a mistake planted in either half is found and shrunk") {
    all_pass_in_guest(everything, {OVERLAB_CROSSCHECK_TESTS, "[.planted]"});
}
