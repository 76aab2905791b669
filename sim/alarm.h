// Alarm: one timer that may be set again and again. Setting it later than it stands, which
// retransmission timers do with every acknowledgement, costs nothing: the pending event finds a
// later deadline when it fires and goes to sleep again. No allocation but the first, unless the
// alarm is moved forward.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "models/base/check.h"
#include "sim/engine.h"

namespace overlab::sim {

class Alarm {
   public:
    Alarm(Engine& engine, std::function<void()> ring) : engine_(&engine), ring_(std::move(ring)) {}
    Alarm(const Alarm&) = delete;
    Alarm& operator=(const Alarm&) = delete;
    ~Alarm() { drop_event(); }

    [[nodiscard]] bool is_set() const { return deadline_ns_ >= 0; }
    [[nodiscard]] std::int64_t deadline_ns() const { return deadline_ns_; }

    /// Rings once at `time_ns` (>= now), and not at the time it was set to before.
    void set(std::int64_t time_ns) {
        CHECK(time_ns >= engine_->now_ns());
        deadline_ns_ = time_ns;
        if (event_ != nullptr && event_->pending && event_->time_ns > time_ns) drop_event();
        if (event_ == nullptr) event_ = new Event(*this);  // shared with the engine's queue
        if (!event_->pending) schedule();
    }
    void cancel() { deadline_ns_ = -1; }

   private:
    /// Lives as long as the alarm needs it or the queue holds it, whichever is longer.
    struct Event final : Action {
        explicit Event(Alarm& alarm) : owner(&alarm) {}
        void fire() override {
            pending = false;
            if (owner == nullptr) {
                delete this;
            } else {
                owner->fired();
            }
        }
        void discard() override {
            pending = false;
            if (owner == nullptr) delete this;
        }
        Alarm* owner;
        std::int64_t time_ns = 0;
        bool pending = false;
    };

    void schedule() {
        event_->pending = true;
        event_->time_ns = deadline_ns_;
        engine_->schedule(deadline_ns_, *event_);
    }
    void fired() {
        if (!is_set()) return;
        if (deadline_ns_ > engine_->now_ns()) return schedule();
        deadline_ns_ = -1;
        ring_();
    }
    void drop_event() {
        if (event_ == nullptr) return;
        if (event_->pending) {
            event_->owner = nullptr;
        } else {
            delete event_;
        }
        event_ = nullptr;
    }

    Engine* engine_;
    std::function<void()> ring_;
    Event* event_ = nullptr;
    std::int64_t deadline_ns_ = -1;
};

}  // namespace overlab::sim
