#include "real/base/event_loop.h"

#include <event2/event.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "models/base/check.h"

namespace overlab::real {
namespace {

/// The longest single wait: bounds what a lost wake-up could cost. So long that a month of virtual
/// time, in which waking is all that costs, takes a process few thousand of them.
constexpr Duration longest_wait = minutes(10);

timeval to_timeval(Duration span) {
    // Rounded up: waking before the timer is due would only spin.
    const std::int64_t us = (std::max<std::int64_t>(span.ns, 0) + 999) / 1000;
    return {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
}

void wake(evutil_socket_t, short, void*) {}

/// Waits to the microsecond (timerfd) instead of epoll's millisecond.
event_base* make_base() {
    event_config* config = event_config_new();
    CHECK(config != nullptr);
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    event_base* base = event_base_new_with_config(config);
    event_config_free(config);
    CHECK(base != nullptr);
    return base;
}

}  // namespace

struct EventLoop::Watch::Impl {
    event* handle = nullptr;
    std::function<void()> ready;
    std::shared_ptr<Impl> self;  ///< until the watch is dropped; the callback may do that

    Impl() = default;
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        if (handle != nullptr) event_free(handle);
    }
};

EventLoop::Watch::Watch(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::Watch::Watch(Watch&&) noexcept = default;
EventLoop::Watch& EventLoop::Watch::operator=(Watch&& other) noexcept {
    if (this != &other) {
        stop();
        impl_ = std::move(other.impl_);
    }
    return *this;
}
EventLoop::Watch::~Watch() { stop(); }

void EventLoop::Watch::stop() {
    if (!impl_) return;
    event_del(impl_->handle);
    impl_->self.reset();
    impl_.reset();
}

EventLoop::EventLoop(std::int64_t epoch_ns)
    : base_(make_base()),
      alarm_(event_new(base_, -1, EV_TIMEOUT, wake, nullptr)),
      epoch_ns_(epoch_ns) {
    CHECK(alarm_ != nullptr);
}

EventLoop::~EventLoop() {
    event_free(alarm_);
    event_base_free(base_);
}

std::int64_t EventLoop::monotonic_ns() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

void EventLoop::set_epoch(std::int64_t epoch_ns) {
    CHECK(timers_.empty());
    epoch_ns_ = epoch_ns;
}

Instant EventLoop::now() const { return {monotonic_ns() - epoch_ns_}; }

TimerId EventLoop::call_at(Instant when, std::function<void()> action) {
    const std::uint64_t id = next_id_++;
    timers_.emplace(std::pair(when, id), std::move(action));
    due_.emplace(id, when);
    return {id};
}

void EventLoop::cancel(TimerId timer) {
    const auto found = due_.find(timer.value);
    if (found == due_.end()) return;
    timers_.erase({found->second, timer.value});
    due_.erase(found);
}

EventLoop::Watch EventLoop::watch(int fd, Interest interest, std::function<void()> ready) {
    auto impl = std::make_shared<Watch::Impl>();
    impl->ready = std::move(ready);
    const short what = interest == Interest::read ? EV_READ : EV_WRITE;
    impl->handle = event_new(
        base_, fd, static_cast<short>(what | EV_PERSIST),
        [](evutil_socket_t, short, void* context) {
            auto* self = static_cast<Watch::Impl*>(context);
            const std::shared_ptr<Watch::Impl> keep = self->self;
            keep->ready();
        },
        impl.get());
    CHECK(impl->handle != nullptr);
    CHECK(event_add(impl->handle, nullptr) == 0);
    impl->self = impl;
    return Watch(std::move(impl));
}

void EventLoop::run_due_timers() {
    // Only what is due now: a timer that arms itself again for "now" waits for the next round, so
    // that descriptors get their turn.
    const Instant limit = now();
    const std::uint64_t newest = next_id_;
    while (!timers_.empty()) {
        const auto first = timers_.begin();
        const auto [when, id] = first->first;
        if (when > limit || id >= newest) break;
        const std::function<void()> action = std::move(first->second);
        timers_.erase(first);
        due_.erase(id);
        action();
    }
}

void EventLoop::step(Instant deadline) {
    Instant until = std::min(deadline, now() + longest_wait);
    if (!timers_.empty()) until = std::min(until, timers_.begin()->first.first);
    const Duration wait = until - now();
    if (wait.ns <= 0) {
        event_base_loop(base_, EVLOOP_NONBLOCK);
    } else {
        const timeval span = to_timeval(wait);
        CHECK(event_add(alarm_, &span) == 0);
        event_base_loop(base_, EVLOOP_ONCE);
    }
    run_due_timers();
}

void EventLoop::run() {
    stopped_ = false;
    while (!stopped_) step({std::numeric_limits<std::int64_t>::max()});
}

bool EventLoop::run_until(const std::function<bool()>& done, Duration limit) {
    const Instant deadline = now() + limit;
    while (!done()) {
        if (now() >= deadline) return false;
        step(deadline);
    }
    return true;
}

}  // namespace overlab::real
