// PendingWindows: things that are wrong now and must not be for longer than a window. One timer for
// all of them, and only while there are any.
//
// What may excuse a thing (a host cut off, a host that stands still) begins and ends with faults,
// so every fault starts all windows anew: a window that runs out has seen the cluster undisturbed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "models/ports/runtime.h"

namespace overlab {

template <typename Key>
class PendingWindows {
   public:
    enum class Verdict : std::uint8_t {
        over,     ///< it is no more, or was reported
        excused,  ///< for now: asked again a window after the next restart()
    };
    using Judge = std::function<Verdict(const Key&)>;

    PendingWindows(Runtime& runtime, Duration window, Judge judge)
        : runtime_(&runtime), window_(window), judge_(std::move(judge)), timer_(runtime) {}

    /// Known ones keep their window.
    void add(Key key) {
        if (!pending_.emplace(std::move(key), runtime_->now() + window_).second) return;
        if (!timer_.armed()) arm();
    }
    template <typename Matches>
    void erase_if(Matches matches) {
        if (!pending_.empty()) {
            std::erase_if(pending_, [&](const auto& each) { return matches(each.first); });
        }
    }
    void clear() { pending_.clear(); }
    /// All windows begin now.
    void restart() {
        for (auto& [key, due] : pending_) due = runtime_->now() + window_;
        if (!pending_.empty()) arm();
    }

   private:
    void arm() {
        std::optional<Instant> earliest;
        for (const auto& [key, due] : pending_) {
            if (due && (!earliest || *due < *earliest)) earliest = due;
        }
        if (earliest) timer_.start(*earliest - runtime_->now(), [this] { judge_due(); });
    }
    void judge_due() {
        std::vector<Key> due;
        for (const auto& [key, when] : pending_) {
            if (when && *when <= runtime_->now()) due.push_back(key);
        }
        for (const Key& key : due) {
            if (judge_(key) == Verdict::over) {
                pending_.erase(key);
            } else {
                pending_[key].reset();
            }
        }
        arm();
    }

    Runtime* runtime_;
    Duration window_;
    Judge judge_;
    Timer timer_;
    std::map<Key, std::optional<Instant>> pending_;  ///< none: excused
};

}  // namespace overlab
