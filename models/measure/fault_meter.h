// FaultMeter: what came of each fault of a run (RunReport::faults), the same in every world.
//
// A fault's window is from its beginning to the next later beginning of a fault, or to the end of
// the run; faults that begin in one instant share theirs. What is counted (rows, store messages,
// clear bytes, lost packets) is what was counted within the window. An outage begins with the last
// delivery before it, which is a little before its cause: it belongs to the first fault that began
// within the flow's outage_threshold() after that, else to the window that it began in. Its time
// counts from the fault on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/fault/fault_player.h"
#include "models/measure/run_report.h"
#include "models/ports/runtime.h"
#include "models/scenario/scenario.h"

namespace overlab {

/// What has been counted since the run began. A world that does not count something leaves it 0.
struct FaultCounters {
    std::uint64_t store_messages = 0, clear_pod_bytes = 0;
    /// Lost packets by flow, as Scenario::traffic; -1: not counted (yet). Empty: of no flow.
    std::vector<std::int64_t> packets_lost;
};

class FaultMeter final : public FaultListener {
   public:
    using Sample = std::function<FaultCounters()>;

    /// References must outlive the meter; `sample` is called at the borders of windows. The
    /// scenario's time line begins at `origin`, for which start() is called again if that is not
    /// known beforehand.
    FaultMeter(const Runtime& runtime, const Scenario& scenario, Sample sample,
               Instant origin = {});
    void start(Instant origin) { origin_ = origin; }

    void fault_began(std::size_t fault, const std::string& what) override;
    void fault_ended(std::size_t fault, const std::string& what) override;

    /// An agent did something about what it saw: a change of its state, rows, a remark.
    void reacted(std::size_t host);
    /// So many rows were installed or withdrawn.
    void rows_changed(std::uint64_t count);
    /// All hosts are (not) as planned; repeats are ignored. It is false at the beginning.
    void converged(bool now);

    /// At the end of the run. One for each of Scenario::faults. Where `sample` gave no losses they
    /// are estimated for paced flows: those packets that were due in the outages, at the flow's
    /// mean rate.
    [[nodiscard]] std::vector<FaultReport> finish(const std::vector<FlowReport>& flows);

   private:
    struct Window {
        std::int64_t from_ns = 0;
        FaultCounters at_start;
        std::uint64_t rows = 0;
        std::int64_t reacted_ns = -1;
    };
    struct Fault {
        std::optional<std::size_t> window;  ///< empty: it never began
        std::string what;
        std::int64_t at_ns = 0, healed_ns = -1;
    };
    struct Turn {  ///< of converged()
        std::int64_t at_ns = 0;
        bool converged = false;
    };

    [[nodiscard]] std::int64_t now_ns() const { return (runtime_.now() - origin_).ns; }
    [[nodiscard]] std::int64_t converge_ns(const Fault& fault) const;
    [[nodiscard]] std::optional<std::size_t> cause_of(const OutageReport& outage,
                                                      Duration threshold) const;
    [[nodiscard]] std::vector<FaultFlowReport> flows_of(std::size_t window,
                                                        const std::vector<FlowReport>& flows,
                                                        const FaultCounters& end) const;

    const Runtime& runtime_;
    const Scenario& scenario_;
    Sample sample_;
    Instant origin_;
    std::vector<Window> windows_;
    std::vector<Fault> faults_;
    std::vector<Turn> turns_;
};

}  // namespace overlab
