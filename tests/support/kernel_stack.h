// KernelStack: a NetlinkStack on a KernelHost, empty at the beginning and at the end, so that many
// tests can take turns on one host: namespaces that go keep the kernel busy for a while.
//
// Include before tests/support/catch.h.
#pragma once

#include <memory>
#include <stdexcept>
#include <utility>

#include "real/netlink/netlink_stack.h"
#include "tests/support/fake_udp_tunnel.h"
#include "tests/support/kernel_host.h"

namespace overlab::test {

class KernelStack {
   public:
    explicit KernelStack(const KernelHost& host) : tunnel_(host.netns) {
        auto opened = real::NetlinkStack::open(host.netns, KernelHost::facts(), &tunnel_);
        if (!opened) throw std::runtime_error(opened.error().what);
        stack_ = std::move(*opened);
        clear();
    }
    ~KernelStack() { clear(); }
    KernelStack(const KernelStack&) = delete;
    KernelStack& operator=(const KernelStack&) = delete;

    [[nodiscard]] real::NetlinkStack& stack() { return *stack_; }
    [[nodiscard]] real::NetlinkStack* operator->() { return stack_.get(); }

   private:
    void clear() {
        const Result<ForwardingState> left = stack_->dump();
        if (left) (void)stack_->apply(diff({}, *left));  // What stays fails the next comparison.
    }

    FakeUdpTunnel tunnel_;
    std::unique_ptr<real::NetlinkStack> stack_;
};

}  // namespace overlab::test
