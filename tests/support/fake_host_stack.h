// FakeHostStack: a HostStack over the real ForwardingTables, without a host around them. Calls can
// be made to fail, and are counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/forwarding/tables.h"
#include "models/ports/host_stack.h"

namespace overlab::test {

/// Numbers the port calls of a test from 1 on and makes chosen ones fail.
class CallFaults {
   public:
    /// True if the call that is made now is to fail.
    [[nodiscard]] bool strikes() {
        ++calls_;
        return calls_ == fail_at_ || (broken_from_ != 0 && calls_ >= broken_from_);
    }
    void fail_call(std::uint64_t number) { fail_at_ = number; }
    void fail_from(std::uint64_t number) { broken_from_ = number; }
    void heal() { fail_at_ = broken_from_ = 0; }
    [[nodiscard]] std::uint64_t calls() const { return calls_; }

   private:
    std::uint64_t calls_ = 0;
    std::uint64_t fail_at_ = 0;
    std::uint64_t broken_from_ = 0;
};

class FakeHostStack final : public HostStack {
   public:
    /// Public: 32 bytes of 1.
    static constexpr const char* wireguard_key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    /// A host with eth0 at `address`/24 and a default route through the segment's .254.
    FakeHostStack(std::string name, Ipv4Address address, CallFaults* faults = nullptr)
        : facts_{std::move(name), "eth0", address, 1500, wireguard_key}, faults_(faults) {
        const LinkIndex eth0 = tables_.add_host_link(
            {.name = "eth0", .kind = TableLink::Kind::ethernet, .local = address, .mac = {}});
        tables_.add_host_address(eth0, address, 24);
        RouteEntry way_out{.link = eth0, .has_gateway = true};
        way_out.gateway = Ipv4Prefix::of(address, 24).at(254);
        tables_.add_host_route(Ipv4Prefix{}, way_out);
    }

    [[nodiscard]] HostFacts facts() const override { return facts_; }

    [[nodiscard]] Result<ForwardingState> dump() override {
        if (strikes()) return fault();
        return tables_.dump();
    }

    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override {
        std::vector<Result<void>> outcomes;
        outcomes.reserve(changes.size());
        ++batches;
        for (const RowChange& change : changes) outcomes.push_back(apply_one(change));
        return outcomes;
    }

    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override {
        if (strikes()) return fault();
        const auto match = tables_.route(address);
        if (!match) return fail(ErrorKind::not_found, address.to_string() + ": no route");
        return !match->entry.has_gateway;
    }

    [[nodiscard]] ForwardingTables& tables() { return tables_; }
    [[nodiscard]] const ForwardingTables& tables() const { return tables_; }
    [[nodiscard]] HostFacts& changeable_facts() { return facts_; }

    std::size_t installed = 0;  ///< rows, since the test last set it to 0
    std::size_t withdrawn = 0;
    std::size_t batches = 0;
    std::vector<RowChange> log;                               ///< every change that succeeded
    std::function<bool(const RowChange&)> refuses = nullptr;  ///< makes chosen changes fail

   private:
    [[nodiscard]] bool strikes() { return faults_ != nullptr && faults_->strikes(); }
    [[nodiscard]] static std::unexpected<Error> fault() {
        return fail(ErrorKind::unavailable, "fault injected by the test");
    }

    [[nodiscard]] Result<void> apply_one(const RowChange& change) {
        if (strikes() || (refuses && refuses(change))) return fault();
        const bool install = change.action == RowChange::Action::install;
        Result<void> done = install ? tables_.install(change.row) : tables_.withdraw(change.row);
        if (!done) return done;
        ++(install ? installed : withdrawn);
        log.push_back(change);
        return done;
    }

    HostFacts facts_;
    ForwardingTables tables_;
    CallFaults* faults_;
};

}  // namespace overlab::test
