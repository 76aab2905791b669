// The kernel's stack keeps the contract for the rows that not every kernel has.
#include "real/netlink/netlink_stack.h"
#include "tests/contract/stack_kinds_contract.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_host.h"
#include "tests/support/row_lines.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::test;

namespace {

/// One host for all parts of a suite; each finds it empty.
class KindFixture final : public StackFixture {
   public:
    KindFixture(KernelHost& host, const TempFolder& folder)
        : stack_(real::NetlinkStack::open(host.netns, KernelHost::facts(), nullptr,
                                          {.wireguard_key_file = folder.path() / "wgkey"})
                     .value()) {
        clear();
    }
    ~KindFixture() override { clear(); }
    [[nodiscard]] HostStack& stack() override { return *stack_; }

   private:
    void clear() {
        for (const auto& outcome : stack_->apply(diff({}, stack_->dump().value()))) {
            CHECK(outcome.has_value());
        }
    }

    std::unique_ptr<real::NetlinkStack> stack_;
};

/// True if the kernel takes the row; else says why not.
bool takes(KernelHost& host, const TempFolder& folder, std::string_view line) {
    KindFixture fixture(host, folder);
    const RowChange change{RowChange::Action::install, row(line)};
    const std::vector<Result<void>> outcomes = fixture.stack().apply({&change, 1});
    if (outcomes.front()) return true;
    if (outcomes.front().error().kind != ErrorKind::unsupported) {
        FAIL(outcomes.front().error().what);
    }
    WARN("skipped: " << outcomes.front().error().what);
    return false;
}

}  // namespace

TEST_CASE("the kernel's stack keeps the contract for ipip", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    const TempFolder folder;
    if (!takes(host, folder, "link flannel.ipip ipip local 192.0.2.1 mtu 1480")) return;
    ipip_contract([&] { return std::make_unique<KindFixture>(host, folder); });
}

TEST_CASE("the kernel's stack keeps the contract for WireGuard", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    const TempFolder folder;
    if (!takes(host, folder, "link flannel-wg wireguard port 51820 mtu 1420")) return;
    wireguard_contract([&] { return std::make_unique<KindFixture>(host, folder); });
}

TEST_CASE("the kernel's stack keeps the contract for filter rules", "[stack]") {
    OVERLAB_KERNEL_HOST(host);
    const TempFolder folder;
    if (!takes(host, folder, "filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24")) return;
    filter_contract([&] { return std::make_unique<KindFixture>(host, folder); });
}
