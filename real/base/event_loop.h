// EventLoop: the Runtime of the kernel world, on libevent: timers, descriptors and child processes
// of one thread, on the monotonic clock.
//
// Timers are ours and not libevent's, because Runtime promises an order among those of one instant.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "models/ports/runtime.h"

struct event;
struct event_base;

namespace overlab::real {

class EventLoop final : public Runtime {
   public:
    /// `epoch_ns`: the monotonic clock's reading that is this loop's instant 0; by default now.
    /// Processes of one run share an epoch, so that their instants can be compared.
    explicit EventLoop(std::int64_t epoch_ns = monotonic_ns());
    ~EventLoop() override;
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// CLOCK_MONOTONIC in nanoseconds.
    [[nodiscard]] static std::int64_t monotonic_ns();
    [[nodiscard]] std::int64_t epoch_ns() const { return epoch_ns_; }

    /// Moves instant 0. Not while timers are pending.
    void set_epoch(std::int64_t epoch_ns);

    [[nodiscard]] Instant now() const override;
    TimerId call_at(Instant when, std::function<void()> action) override;
    void cancel(TimerId timer) override;

    enum class Interest : std::uint8_t { read, write };

    /// One descriptor watched for one interest, until destroyed, which must be before the loop and
    /// before the descriptor is closed. Level-triggered. The callback may destroy the watch.
    class Watch {
       public:
        Watch() = default;
        Watch(Watch&&) noexcept;
        Watch& operator=(Watch&&) noexcept;
        ~Watch();

       private:
        friend class EventLoop;
        struct Impl;
        explicit Watch(std::shared_ptr<Impl> impl);
        void stop();
        std::shared_ptr<Impl> impl_;
    };
    [[nodiscard]] Watch watch(int fd, Interest interest, std::function<void()> ready);

    /// Until stop().
    void run();
    void stop() { stopped_ = true; }
    /// Until `done` holds, asked after every round of callbacks; false if `limit` passed first.
    bool run_until(const std::function<bool()>& done, Duration limit);

    /// For libraries that drive libevent themselves (evhttp).
    [[nodiscard]] event_base* base() { return base_; }

   private:
    /// One round: waits at most until the next timer or `deadline`, then runs what is due.
    void step(Instant deadline);
    void run_due_timers();

    event_base* base_;
    event* alarm_;  ///< ends a wait when the next timer is due
    std::int64_t epoch_ns_;
    bool stopped_ = false;
    std::uint64_t next_id_ = 1;
    std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> timers_;
    std::map<std::uint64_t, Instant> due_;  ///< by timer id
};

}  // namespace overlab::real
