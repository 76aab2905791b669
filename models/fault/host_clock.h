// HostClock: a host's own Runtime over the world's: it can jump, run fast or slow, and stand still.
// While it stands still nothing fires; what was due meanwhile fires at once when it goes on, in the
// order it was due, as the timers of a stalled host do.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "models/ports/runtime.h"

namespace overlab {

class HostClock final : public Runtime {
   public:
    /// `world` must outlive it; pending timers are dropped with it.
    explicit HostClock(Runtime& world);
    ~HostClock() override;
    HostClock(const HostClock&) = delete;
    HostClock& operator=(const HostClock&) = delete;

    /// This host's monotonic time, which is all that an agent ever asks: it never runs backwards.
    [[nodiscard]] Instant now() const override;
    TimerId call_at(Instant when, std::function<void()> action) override;
    void cancel(TimerId timer) override;

    /// Forward only (CHECK): what is due within the jump fires at once.
    void jump(Duration forward);
    /// From now on the clock runs by so many parts per million fast. > -1,000,000.
    void set_drift(std::int32_t ppm);
    void pause();
    void resume();
    [[nodiscard]] bool paused() const;
    /// Drops every pending timer, as a power-off does.
    void clear();

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab
