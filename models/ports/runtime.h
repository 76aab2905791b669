// Runtime: the only source of time. One thread; callbacks run one after another, in time order, and
// those of one instant in the order they were asked for.
#pragma once

#include <cstdint>
#include <functional>

#include "models/base/time.h"

namespace overlab {

struct TimerId {
    std::uint64_t value = 0;  ///< 0 names no timer
    friend bool operator==(TimerId, TimerId) = default;
};

class Runtime {
   public:
    virtual ~Runtime() = default;

    [[nodiscard]] virtual Instant now() const = 0;

    /// Runs `action` at `when`; a past `when` means as soon as the caller has returned.
    virtual TimerId call_at(Instant when, std::function<void()> action) = 0;

    /// A cancelled action never runs. Unknown, fired and cancelled timers are ignored.
    virtual void cancel(TimerId timer) = 0;

    TimerId call_after(Duration delay, std::function<void()> action) {
        return call_at(now() + delay, std::move(action));
    }
};

/// Owns one pending timer: cancelled on destruction and when a new one is assigned.
class Timer {
   public:
    explicit Timer(Runtime& runtime) : runtime_(&runtime) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { stop(); }

    void start(Duration delay, std::function<void()> action) {
        stop();
        id_ = runtime_->call_after(delay, [this, action = std::move(action)] {
            id_ = {};
            action();
        });
    }
    void stop() {
        runtime_->cancel(id_);
        id_ = {};
    }
    [[nodiscard]] bool armed() const { return !(id_ == TimerId{}); }

   private:
    Runtime* runtime_;
    TimerId id_;
};

}  // namespace overlab
