// The simulated host's stack keeps the contract that the fake and the real stacks keep.
#include "sim/sim_host_stack.h"
#include "tests/contract/stack_contract.h"
#include "tests/contract/stack_kinds_contract.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;

namespace {

class SimFixture final : public StackFixture {
   public:
    [[nodiscard]] HostStack& stack() override { return stack_; }
    ~SimFixture() override { sim::Engine::uninstall(); }

   private:
    sim::Engine& engine_ = sim::Engine::install();
    CostProfile costs_ = built_in_cost_profile("laptop").value();
    sim::LinkTransmitter link_{engine_, {.name = "host-1--tor1", .rate_bps = 1'000'000'000}, 1};
    sim::SimHost host_{engine_,
                       {.name = "host-1",
                        .external = {.mac = {0x020000000001},
                                     .address = Ipv4Address::parse("192.0.2.1").value(),
                                     .subnet = Ipv4Prefix::parse("192.0.2.0/24").value()},
                        .gateway = Ipv4Address::parse("192.0.2.254").value()},
                       link_,
                       costs_};
    sim::SimHostStack stack_{host_};
};

}  // namespace

TEST_CASE("a simulated host's stack keeps the contract", "[stack]") {
    stack_contract([] { return std::make_unique<SimFixture>(); });
}

TEST_CASE("a simulated host's stack keeps the contract for ipip", "[stack]") {
    ipip_contract([] { return std::make_unique<SimFixture>(); });
}

TEST_CASE("a simulated host's stack keeps the contract for WireGuard", "[stack]") {
    wireguard_contract([] { return std::make_unique<SimFixture>(); });
}

TEST_CASE("a simulated host's stack keeps the contract for filter rules", "[stack]") {
    filter_contract([] { return std::make_unique<SimFixture>(); });
}
