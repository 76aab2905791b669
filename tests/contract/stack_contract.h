// The contract of HostStack (models/ports/host_stack.h), run against every implementation: what a
// node may rely on in any world. Each world's test gives a factory and calls stack_contract() in
// one TEST_CASE.
#pragma once

#include <functional>
#include <memory>

#include "models/ports/host_stack.h"

namespace overlab::test {

/// A host to try the contract on, alive as long as the fixture. It must be:
///   host-1, eth0 192.0.2.1/24, MTU 1500, and 198.51.100.0/24 to be reached through router
///   192.0.2.254.
class StackFixture {
   public:
    virtual ~StackFixture() = default;
    [[nodiscard]] virtual HostStack& stack() = 0;
};

using StackFactory = std::function<std::unique_ptr<StackFixture>()>;

/// Runs the suite, each part on a fresh fixture. Uses SECTIONs: call it last in a TEST_CASE.
void stack_contract(const StackFactory& make);

}  // namespace overlab::test
