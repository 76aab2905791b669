// Each pending timer has one of its own in the world, asked for in the same order, so that a clock
// that runs right is not there: what several hosts do in one instant happens in the order in which
// it would without it. Rates are whole parts per million and times whole nanoseconds; what is left
// over when a rate changes is kept, so that a clock is never off by what was rounded away.
#include "models/fault/host_clock.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/base/check.h"

namespace overlab {
namespace {

__extension__ using Wide = __int128;

constexpr std::int64_t million = 1'000'000;

}  // namespace

class HostClock::Impl {
   public:
    explicit Impl(Runtime& world)
        : world_(world), world_base_(world.now()), host_base_(world.now()) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { clear(); }

    [[nodiscard]] Instant now() const {
        return host_base_ + Duration{static_cast<std::int64_t>(gone() / million)};
    }

    TimerId call_at(Instant when, std::function<void()> action) {
        const std::uint64_t id = ++last_id_;
        Pending& timer = pending_[id];
        timer.when = std::max(when, now());
        timer.action = std::move(action);
        if (!paused_) ask(id, timer);
        return {id};
    }

    void cancel(TimerId id) {
        // What the action owns may cancel further timers as it goes: it goes last.
        const auto gone = pending_.extract(id.value);
        if (!gone.empty()) world_.cancel(gone.mapped().in_world);
    }

    void jump(Duration forward) {
        CHECK(forward >= Duration{});
        rebase();
        host_base_ = host_base_ + forward;
        if (!paused_) ask_again(every_one());
    }

    void set_drift(std::int32_t ppm) {
        CHECK(ppm > -million);
        rebase();
        rate_ = million + ppm;
        if (!paused_) ask_again(every_one());
    }

    void pause() {
        paused_ = true;
        for (auto& [id, timer] : pending_) world_.cancel(std::exchange(timer.in_world, {}));
    }

    void resume() {
        if (!std::exchange(paused_, false)) return;
        ask_again(every_one());
    }

    [[nodiscard]] bool paused() const { return paused_; }

    void clear() {
        const auto gone = std::exchange(pending_, {});
        for (const auto& [id, timer] : gone) world_.cancel(timer.in_world);
    }

   private:
    struct Pending {
        Instant when;  ///< by this clock
        std::function<void()> action;
        TimerId in_world;
    };

    /// Host time since the base, in millionths of a nanosecond.
    [[nodiscard]] Wide gone() const {
        return fraction_ + Wide{(world_.now() - world_base_).ns} * rate_;
    }

    void rebase() {
        const Wide gone_now = gone();
        host_base_ = host_base_ + Duration{static_cast<std::int64_t>(gone_now / million)};
        fraction_ = static_cast<std::int64_t>(gone_now % million);
        world_base_ = world_.now();
    }

    /// The first world time at which this clock shows `when` or more.
    [[nodiscard]] Instant in_world(Instant when) const {
        const Wide missing = Wide{(when - host_base_).ns} * million - fraction_;
        if (missing <= 0) return world_base_;
        const Wide most = std::numeric_limits<std::int64_t>::max() - world_base_.ns;
        return world_base_ +
               Duration{static_cast<std::int64_t>(std::min((missing + rate_ - 1) / rate_, most))};
    }

    void ask(std::uint64_t id, Pending& timer) {
        timer.in_world = world_.call_at(in_world(timer.when), [this, id] { fire(id); });
    }

    [[nodiscard]] std::vector<std::uint64_t> every_one() const {
        std::vector<std::uint64_t> ids;
        for (const auto& [id, timer] : pending_) ids.push_back(id);
        return ids;
    }

    /// Asks the world once more for these, in the order in which they are due.
    void ask_again(std::vector<std::uint64_t> ids) {
        std::ranges::sort(ids, {},
                          [this](std::uint64_t id) { return std::pair(pending_.at(id).when, id); });
        for (const std::uint64_t id : ids) {
            Pending& timer = pending_.at(id);
            world_.cancel(timer.in_world);
            ask(id, timer);
        }
    }

    void fire(std::uint64_t id) {
        // A fast clock shows several of its instants within one of the world's, which knows only
        // the order of asking.
        if (rate_ != million && !due_first(id)) {
            const Instant due = now();
            std::vector<std::uint64_t> ids = every_one();
            std::erase_if(ids, [&](std::uint64_t one) { return pending_.at(one).when > due; });
            return ask_again(std::move(ids));
        }
        const auto timer = pending_.extract(id);
        CHECK(!timer.empty());
        timer.mapped().action();  // it may destroy this
    }

    [[nodiscard]] bool due_first(std::uint64_t id) const {
        const Instant when = pending_.at(id).when;
        return std::ranges::none_of(pending_, [&](const auto& other) {
            return std::pair(other.second.when, other.first) < std::pair(when, id);
        });
    }

    Runtime& world_;
    Instant world_base_, host_base_;
    std::int64_t fraction_ = 0;  ///< of the host's time at the base, in 1/1,000,000 ns
    std::int64_t rate_ = million;
    bool paused_ = false;
    std::uint64_t last_id_ = 0;
    // order-free: sorted by (when, id) wherever it is gone through to ask
    std::unordered_map<std::uint64_t, Pending> pending_;
};

HostClock::HostClock(Runtime& world) : impl_(std::make_unique<Impl>(world)) {}
HostClock::~HostClock() = default;

Instant HostClock::now() const { return impl_->now(); }
TimerId HostClock::call_at(Instant when, std::function<void()> action) {
    return impl_->call_at(when, std::move(action));
}
void HostClock::cancel(TimerId timer) { impl_->cancel(timer); }
void HostClock::jump(Duration forward) { impl_->jump(forward); }
void HostClock::set_drift(std::int32_t ppm) { impl_->set_drift(ppm); }
void HostClock::pause() { impl_->pause(); }
void HostClock::resume() { impl_->resume(); }
bool HostClock::paused() const { return impl_->paused(); }
void HostClock::clear() { impl_->clear(); }

}  // namespace overlab
