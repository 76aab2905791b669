// The kernel's stack keeps the contract that the fake and the simulated stacks keep.
#include "tests/contract/stack_contract.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_stack.h"

using namespace overlab;
using namespace overlab::test;

namespace {

class KernelFixture final : public StackFixture {
   public:
    explicit KernelFixture(const KernelHost& host) : kernel_(host) {}
    [[nodiscard]] HostStack& stack() override { return kernel_.stack(); }

   private:
    KernelStack kernel_;
};

}  // namespace

TEST_CASE("the kernel's stack keeps the contract", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    stack_contract([&] { return std::make_unique<KernelFixture>(host); });
}
