// The fake that unit tests use keeps the contract that the real stacks keep.
#include "tests/contract/stack_contract.h"
#include "tests/contract/stack_kinds_contract.h"
#include "tests/support/catch.h"
#include "tests/support/fake_host_stack.h"

using namespace overlab;
using namespace overlab::test;

namespace {

class FakeFixture final : public StackFixture {
   public:
    [[nodiscard]] HostStack& stack() override { return stack_; }

   private:
    FakeHostStack stack_{"host-1", Ipv4Address::parse("192.0.2.1").value()};
};

}  // namespace

TEST_CASE("the fake host stack keeps the contract", "[stack]") {
    stack_contract([] { return std::make_unique<FakeFixture>(); });
}

TEST_CASE("the fake host stack keeps the contract for ipip", "[stack]") {
    ipip_contract([] { return std::make_unique<FakeFixture>(); });
}

TEST_CASE("the fake host stack keeps the contract for WireGuard", "[stack]") {
    wireguard_contract([] { return std::make_unique<FakeFixture>(); });
}

TEST_CASE("the fake host stack keeps the contract for filter rules", "[stack]") {
    filter_contract([] { return std::make_unique<FakeFixture>(); });
}
