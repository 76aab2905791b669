// VirtualRuntime: a Runtime whose time stands still until its owner lets it pass; actions run in
// time order, those of one instant in the order they were asked for. No threads, no wall clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "models/base/time.h"
#include "models/ports/runtime.h"

namespace overlab {

class VirtualRuntime final : public Runtime {
   public:
    VirtualRuntime() = default;
    explicit VirtualRuntime(Instant start) : now_(start) {}

    [[nodiscard]] Instant now() const override { return now_; }

    TimerId call_at(Instant when, std::function<void()> action) override {
        const std::uint64_t id = ++last_id_;
        const Key key{when < now_ ? now_ : when, id};
        queue_.emplace(key, std::move(action));
        when_of_.emplace(id, key.first);
        return {id};
    }

    void cancel(TimerId timer) override {
        const auto found = when_of_.find(timer.value);
        if (found == when_of_.end()) return;
        queue_.erase(Key{found->second, timer.value});
        when_of_.erase(found);
    }

    /// Runs the next action, moving time to it. False if there is none.
    bool step() {
        if (queue_.empty()) return false;
        auto node = queue_.extract(queue_.begin());
        when_of_.erase(node.key().second);
        now_ = node.key().first;
        ++steps_;
        node.mapped()();
        return true;
    }

    /// Runs everything due up to and including `end`, then stands at `end`. False if more than
    /// `max_steps` actions were due: something asks for ever more of one instant.
    [[nodiscard]] bool run_until(Instant end, std::size_t max_steps = default_max_steps) {
        for (std::size_t i = 0; !queue_.empty() && queue_.begin()->first.first <= end; ++i) {
            if (i == max_steps) return false;
            step();
        }
        if (now_ < end) now_ = end;
        return true;
    }

    [[nodiscard]] bool run_for(Duration span, std::size_t max_steps = default_max_steps) {
        return run_until(now_ + span, max_steps);
    }

    /// Runs until nothing is left to do. False if that took more than `max_steps`: a periodic
    /// timer, say.
    [[nodiscard]] bool run_all(std::size_t max_steps = default_max_steps) {
        for (std::size_t i = 0; !queue_.empty(); ++i) {
            if (i == max_steps) return false;
            step();
        }
        return true;
    }

    /// Runs until `condition` holds (checked before the first and after each action). False if it
    /// still does not hold when all actions up to `deadline` have run.
    [[nodiscard]] bool run_until_true(const std::function<bool()>& condition, Instant deadline,
                                      std::size_t max_steps = default_max_steps) {
        for (std::size_t i = 0; i < max_steps; ++i) {
            if (condition()) return true;
            if (queue_.empty() || queue_.begin()->first.first > deadline) return false;
            step();
        }
        return false;
    }

    [[nodiscard]] std::size_t pending() const { return queue_.size(); }
    /// Actions run so far.
    [[nodiscard]] std::uint64_t steps() const { return steps_; }

   private:
    using Key =
        std::pair<Instant, std::uint64_t>;  // load-bearing: time first, then order of asking
    static constexpr std::size_t default_max_steps = 10'000'000;

    Instant now_;
    std::uint64_t last_id_ = 0;
    std::uint64_t steps_ = 0;
    std::map<Key, std::function<void()>> queue_;
    std::map<std::uint64_t, Instant> when_of_;
};

}  // namespace overlab
