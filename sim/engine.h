// Engine: the simulator under ns-3. It replaces ns-3's DefaultSimulatorImpl
// (Simulator::SetImplementation), so that ns-3's stacks in the pods and our own hosts, links and
// switches share one clock and one queue.
//
// Our own events are Actions: no allocation, no reference count, one virtual call. ns-3's events
// keep their semantics (cancellation is lazy: a cancelled event is skipped when its time comes).
//
// There is one Engine a process, because ns-3 has one Simulator a process. Single-threaded.
#pragma once

#include <ns3/event-id.h>
#include <ns3/event-impl.h>
#include <ns3/simulator-impl.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

#include "models/ports/runtime.h"
#include "sim/event_queue.h"

namespace overlab::sim {

/// Something that happens at a time. The engine owns it between schedule() and fire().
class Action {
   public:
    virtual void fire() = 0;
    /// The run ended before its time came: free it.
    virtual void discard() = 0;

   protected:
    ~Action() = default;
};

class Engine final : public ns3::SimulatorImpl {
   public:
    static ns3::TypeId GetTypeId();

    /// Makes a new Engine ns-3's simulator and returns it. Destroys what was there. The caller must
    /// call uninstall() when done, after everything that refers to the engine is gone.
    static Engine& install();
    static void uninstall();

    [[nodiscard]] std::int64_t now_ns() const { return now_ns_; }
    [[nodiscard]] std::uint64_t event_count() const { return event_count_; }

    /// `time_ns` >= now. `context` is the ns-3 node id seen by Simulator::GetContext() while it
    /// runs.
    void schedule(std::int64_t time_ns, Action& action, std::uint32_t context = no_context) {
        queue_.push(time_ns, next_sequence_++, Pending(action, context));
    }

    /// Runs every event with time <= end_ns; afterwards now is end_ns.
    void run_until(std::int64_t end_ns);

    // ns3::SimulatorImpl
    void Destroy() override;
    bool IsFinished() const override;
    void Stop() override;
    void Stop(const ns3::Time& delay) override;
    ns3::EventId Schedule(const ns3::Time& delay, ns3::EventImpl* event) override;
    void ScheduleWithContext(std::uint32_t context, const ns3::Time& delay,
                             ns3::EventImpl* event) override;
    ns3::EventId ScheduleNow(ns3::EventImpl* event) override;
    ns3::EventId ScheduleDestroy(ns3::EventImpl* event) override;
    void Remove(const ns3::EventId& id) override;
    void Cancel(const ns3::EventId& id) override;
    bool IsExpired(const ns3::EventId& id) const override;
    void Run() override;
    ns3::Time Now() const override;
    ns3::Time GetDelayLeft(const ns3::EventId& id) const override;
    ns3::Time GetMaximumSimulationTime() const override;
    void SetScheduler(ns3::ObjectFactory factory) override;
    std::uint32_t GetSystemId() const override;
    std::uint32_t GetContext() const override;
    std::uint64_t GetEventCount() const override;

   private:
    static constexpr std::uint32_t no_context = 0xffffffff;

    /// An Action or an ns-3 event, of which it holds one reference.
    class Pending {
       public:
        Pending() = default;
        Pending(Action& action, std::uint32_t context) : action_(&action), context_(context) {}
        Pending(ns3::EventImpl& event, std::uint32_t context)
            : event_(&event), context_(context), is_event_(true) {}
        [[nodiscard]] Action* action() const { return is_event_ ? nullptr : action_; }
        [[nodiscard]] ns3::EventImpl* event() const { return is_event_ ? event_ : nullptr; }
        [[nodiscard]] std::uint32_t context() const { return context_; }

       private:
        union {
            Action* action_ = nullptr;
            ns3::EventImpl* event_;
        };
        std::uint32_t context_ = no_context;
        bool is_event_ = false;
    };
    static_assert(sizeof(Pending) == 16, "millions are pending: keep them small");

    void DoDispose() override;
    void run_one();
    ns3::EventId enqueue(std::int64_t time_ns, std::uint32_t context, ns3::EventImpl* event);

    EventQueue<Pending> queue_;
    std::int64_t now_ns_ = 0;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t event_count_ = 0;
    std::uint32_t context_ = no_context;
    bool stopped_ = false;
    ns3::EventImpl* running_ = nullptr;
    std::list<ns3::EventId> at_destroy_;
};

/// The Runtime port in virtual time.
class EngineRuntime final : public Runtime {
   public:
    explicit EngineRuntime(Engine& engine);
    ~EngineRuntime() override;
    [[nodiscard]] Instant now() const override;
    TimerId call_at(Instant when, std::function<void()> action) override;
    void cancel(TimerId timer) override;

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::sim
