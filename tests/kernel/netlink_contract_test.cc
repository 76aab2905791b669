// The kernel's stack keeps the contract that the fake and the simulated stacks keep.
#include "real/netlink/netlink_stack.h"
#include "tests/contract/stack_contract.h"
#include "tests/support/catch.h"
#include "tests/support/fake_udp_tunnel.h"
#include "tests/support/kernel_host.h"

using namespace overlab;
using namespace overlab::test;

namespace {

/// One host for all parts of the suite, because the kernel takes its time with namespaces that go;
/// each part finds it empty.
class KernelFixture final : public StackFixture {
   public:
    explicit KernelFixture(KernelHost& host) : tunnel_(host.netns) {
        auto opened = real::NetlinkStack::open(host.netns, KernelHost::facts(), &tunnel_);
        INFO((opened ? "" : opened.error().what));
        REQUIRE(opened.has_value());
        stack_ = std::move(*opened);
        clear();
    }
    ~KernelFixture() override { clear(); }
    [[nodiscard]] HostStack& stack() override { return *stack_; }

   private:
    void clear() {
        const Result<ForwardingState> left = stack_->dump();
        INFO((left ? "" : left.error().what));
        REQUIRE(left.has_value());
        for (const auto& outcome : stack_->apply(diff({}, *left))) CHECK(outcome.has_value());
    }

    FakeUdpTunnel tunnel_;
    std::unique_ptr<real::NetlinkStack> stack_;
};

}  // namespace

TEST_CASE("the kernel's stack keeps the contract", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    stack_contract([&] { return std::make_unique<KernelFixture>(host); });
}
