// The contract of HostStack for the kinds of rows that not every kernel has: one suite a kind, each
// called last in a TEST_CASE of its own, so that a host without the kind can skip it.
#pragma once

#include "tests/contract/stack_contract.h"

namespace overlab::test {

void ipip_contract(const StackFactory& make);
void wireguard_contract(const StackFactory& make);
void filter_contract(const StackFactory& make);

}  // namespace overlab::test
