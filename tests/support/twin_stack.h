// TwinStack: a host that is two, the model's tables and this machine's kernel. Every call goes to
// both; where they answer differently, the difference is kept for the test to find.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <vector>

#include "models/ports/host_stack.h"

namespace overlab::test {

class TwinStack final : public HostStack {
   public:
    /// `model` leads: its answers are what callers get.
    TwinStack(HostStack& model, HostStack& kernel) : model_(&model), kernel_(&kernel) {}

    /// Empty while both are alike.
    [[nodiscard]] const std::string& difference() const { return difference_; }
    std::size_t comparisons = 0;

    [[nodiscard]] HostFacts facts() const override { return model_->facts(); }

    [[nodiscard]] Result<ForwardingState> dump() override {
        compare_dumps();
        return model_->dump();
    }

    [[nodiscard]] std::vector<Result<void>> apply(std::span<const RowChange> changes) override {
        std::vector<Result<void>> outcomes = model_->apply(changes);
        const std::vector<Result<void>> real = kernel_->apply(changes);
        for (std::size_t i = 0; i < changes.size(); ++i) {
            compare_outcomes(changes[i], outcomes[i], real[i]);
        }
        return outcomes;
    }

    [[nodiscard]] Result<bool> on_link(Ipv4Address address) override {
        const Result<bool> modelled = model_->on_link(address);
        const Result<bool> real = kernel_->on_link(address);
        if (modelled.has_value() != real.has_value() || (real && *real != *modelled)) {
            note(fmt::format("on_link({})", address.to_string()));
        }
        return modelled;
    }

    void compare_dumps() {
        ++comparisons;
        const Result<ForwardingState> modelled = model_->dump();
        const Result<ForwardingState> real = kernel_->dump();
        if (!real) return note("kernel cannot be read: " + real.error().what);
        if (*modelled == *real) return;
        note(fmt::format("model:\n{}kernel:\n{}", modelled->to_string(), real->to_string()));
    }

   private:
    static std::string text(const Result<void>& outcome) {
        return outcome ? "ok" : outcome.error().what;
    }
    void compare_outcomes(const RowChange& change, const Result<void>& modelled,
                          const Result<void>& real) {
        const bool alike = modelled.has_value() == real.has_value() &&
                           (modelled || modelled.error().kind == real.error().kind);
        if (alike) return;
        note(fmt::format("{} {}\n model:  {}\n kernel: {}",
                         change.action == RowChange::Action::install ? "+" : "-",
                         to_string(change.row), text(modelled), text(real)));
    }
    void note(const std::string& what) {
        if (difference_.empty()) difference_ = what;
    }

    HostStack* model_;
    HostStack* kernel_;
    std::string difference_;
};

}  // namespace overlab::test
