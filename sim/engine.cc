#include "sim/engine.h"

#include <ns3/nstime.h>
#include <ns3/object-factory.h>
#include <ns3/simulator.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "models/base/check.h"

namespace overlab::sim {
namespace {

// ns-3 keeps 32-bit event uids and gives the first four a meaning (event-id.h).
constexpr std::uint32_t uid_destroy = 2;
constexpr std::uint32_t uid_ordinary = 4;

}  // namespace

NS_OBJECT_ENSURE_REGISTERED(Engine);

ns3::TypeId Engine::GetTypeId() {
    static const ns3::TypeId id = ns3::TypeId("overlab::sim::Engine")
                                      .SetParent<ns3::SimulatorImpl>()
                                      .AddConstructor<Engine>();
    return id;
}

Engine& Engine::install() {
    ns3::Simulator::Destroy();
    const auto engine = ns3::CreateObject<Engine>();
    ns3::Simulator::SetImplementation(engine);
    return *engine;  // ns-3 holds the reference from here on
}

void Engine::uninstall() { ns3::Simulator::Destroy(); }

void Engine::run_until(std::int64_t end_ns) {
    stopped_ = false;
    while (!stopped_ && !queue_.empty() && queue_.next_time_ns() <= end_ns) run_one();
    if (!stopped_ && now_ns_ < end_ns) now_ns_ = end_ns;
}

void Engine::run_one() {
    const auto entry = queue_.pop();
    CHECK(entry.time_ns >= now_ns_);
    now_ns_ = entry.time_ns;
    context_ = entry.payload.context();
    ++event_count_;
    if (Action* action = entry.payload.action()) {
        action->fire();
        return;
    }
    ns3::EventImpl* event = std::exchange(running_, entry.payload.event());
    running_->Invoke();
    running_->Cancel();
    running_->Unref();
    running_ = event;
}

void Engine::Run() {
    stopped_ = false;
    while (!stopped_ && !queue_.empty()) run_one();
}

void Engine::Destroy() {
    while (!at_destroy_.empty()) {
        const auto event = ns3::Ptr<ns3::EventImpl>(at_destroy_.front().PeekEventImpl());
        at_destroy_.pop_front();
        if (!event->IsCancelled()) event->Invoke();
    }
}

void Engine::DoDispose() {
    while (!queue_.empty()) {
        const auto entry = queue_.pop();
        if (Action* action = entry.payload.action()) {
            action->discard();
        } else {
            entry.payload.event()->Unref();
        }
    }
    ns3::SimulatorImpl::DoDispose();
}

bool Engine::IsFinished() const { return stopped_ || queue_.empty(); }
void Engine::Stop() { stopped_ = true; }
void Engine::Stop(const ns3::Time& delay) {
    ns3::Simulator::Schedule(delay, &ns3::Simulator::Stop);
}

ns3::EventId Engine::enqueue(std::int64_t time_ns, std::uint32_t context, ns3::EventImpl* event) {
    CHECK(time_ns >= now_ns_);
    queue_.push(time_ns, next_sequence_++, Pending(*event, context));
    return {ns3::Ptr<ns3::EventImpl>(event, true), static_cast<std::uint64_t>(time_ns), context,
            uid_ordinary};
}

ns3::EventId Engine::Schedule(const ns3::Time& delay, ns3::EventImpl* event) {
    return enqueue(now_ns_ + delay.GetTimeStep(), context_, event);
}

void Engine::ScheduleWithContext(std::uint32_t context, const ns3::Time& delay,
                                 ns3::EventImpl* event) {
    (void)enqueue(now_ns_ + delay.GetTimeStep(), context, event);
}

ns3::EventId Engine::ScheduleNow(ns3::EventImpl* event) {
    return enqueue(now_ns_, context_, event);
}

ns3::EventId Engine::ScheduleDestroy(ns3::EventImpl* event) {
    const ns3::EventId id(ns3::Ptr<ns3::EventImpl>(event, false),
                          static_cast<std::uint64_t>(now_ns_), no_context, uid_destroy);
    at_destroy_.push_back(id);
    return id;
}

void Engine::Remove(const ns3::EventId& id) { Cancel(id); }

void Engine::Cancel(const ns3::EventId& id) {
    if (!IsExpired(id)) id.PeekEventImpl()->Cancel();
}

// An event that has run is marked cancelled (run_one), which spares comparing sequence numbers:
// they do not fit ns-3's 32-bit uid. ns-3 counts the event that is running as expired.
bool Engine::IsExpired(const ns3::EventId& id) const {
    ns3::EventImpl* event = id.PeekEventImpl();
    if (event == nullptr || event == running_ || event->IsCancelled()) return true;
    return id.GetUid() != uid_destroy && static_cast<std::int64_t>(id.GetTs()) < now_ns_;
}

ns3::Time Engine::Now() const { return ns3::TimeStep(static_cast<std::uint64_t>(now_ns_)); }

ns3::Time Engine::GetDelayLeft(const ns3::EventId& id) const {
    if (IsExpired(id)) return ns3::TimeStep(0);
    return ns3::TimeStep(id.GetTs() - static_cast<std::uint64_t>(now_ns_));
}

ns3::Time Engine::GetMaximumSimulationTime() const { return ns3::TimeStep(0x7fffffffffffffffU); }
void Engine::SetScheduler(ns3::ObjectFactory) {}  // the queue is built in
std::uint32_t Engine::GetSystemId() const { return 0; }
std::uint32_t Engine::GetContext() const { return context_; }
std::uint64_t Engine::GetEventCount() const { return event_count_; }

// --- EngineRuntime ---------------------------------------------------------------------------

class EngineRuntime::Impl {
   public:
    explicit Impl(Engine& engine) : engine_(&engine) {}
    ~Impl() {
        for (auto& [id, alarm] : pending_) alarm->owner = nullptr;
    }

    TimerId add(Instant when, std::function<void()> action) {
        const std::uint64_t id = next_id_++;
        auto* alarm = new Alarm{this, id, std::move(action)};  // owned by the engine's queue
        pending_.emplace(id, alarm);
        engine_->schedule(std::max(when.ns, engine_->now_ns()), *alarm);
        return TimerId{id};
    }

    void cancel(TimerId timer) {
        const auto found = pending_.find(timer.value);
        if (found == pending_.end()) return;
        found->second->owner = nullptr;
        found->second->action = nullptr;  // free captured state now, not when the time comes
        pending_.erase(found);
    }

    [[nodiscard]] Instant now() const { return {engine_->now_ns()}; }

   private:
    struct Alarm final : Action {
        Alarm(Impl* alarm_owner, std::uint64_t alarm_id, std::function<void()> what)
            : owner(alarm_owner), id(alarm_id), action(std::move(what)) {}
        void fire() override {
            const std::unique_ptr<Alarm> self(this);
            if (owner == nullptr) return;
            owner->pending_.erase(id);
            action();
        }
        void discard() override { delete this; }

        Impl* owner;  // null: cancelled, or the runtime is gone
        std::uint64_t id;
        std::function<void()> action;
    };

    Engine* engine_;
    std::uint64_t next_id_ = 1;
    std::unordered_map<std::uint64_t, Alarm*> pending_;  // order-free: looked up by id only
};

EngineRuntime::EngineRuntime(Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}
EngineRuntime::~EngineRuntime() = default;
Instant EngineRuntime::now() const { return impl_->now(); }
TimerId EngineRuntime::call_at(Instant when, std::function<void()> action) {
    return impl_->add(when, std::move(action));
}
void EngineRuntime::cancel(TimerId timer) { impl_->cancel(timer); }

}  // namespace overlab::sim
