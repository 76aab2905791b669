// ControlRun: one run of the control world: the cluster, the faults that are played against it, the
// invariants that watch it, and what is written down of it. control_world.h is the front door.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/control/control_cluster.h"
#include "models/control/control_digest.h"
#include "models/control/control_faults.h"
#include "models/fault/fault_player.h"
#include "models/invariant/invariant_monitor.h"
#include "models/measure/run_report.h"

namespace overlab {

class ControlRun final : private ControlListener, private FaultListener {
   public:
    [[nodiscard]] static Result<std::unique_ptr<ControlRun>> build(const Scenario& scenario,
                                                                   std::uint64_t seed);

    void run(bool until_violation);
    [[nodiscard]] const std::vector<ViolationReport>& violations() const {
        return monitor_.violations();
    }
    [[nodiscard]] std::uint64_t digest() const;
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] RunReport report(bool keep_forwarding) const;

   private:
    ControlRun(const Scenario& scenario, std::uint64_t seed,
               std::unique_ptr<ControlCluster> cluster);

    // ControlListener.
    void store_changed() override;
    void store_replaced() override;
    void agent_started(std::size_t host) override;
    void agent_stopped(std::size_t host) override;
    void node_changed(std::size_t host) override;
    void rows_changed(std::size_t host, std::size_t installed, std::size_t withdrawn,
                      std::size_t failed) override;
    void remark(std::size_t host, const std::string& what) override;
    // FaultListener.
    void fault_began(std::size_t fault, const std::string& what) override;
    void fault_ended(std::size_t fault, const std::string& what) override;
    void fault_refused(std::size_t fault, const Error& why) override;

    void note(std::string_view host, std::string what);
    enum class Decision : std::uint8_t;
    void decide(Decision what, std::uint64_t host);

    // control_report.cc
    [[nodiscard]] HostReport report_host(std::size_t host) const;
    [[nodiscard]] std::int64_t converged_since(std::size_t host) const;
    [[nodiscard]] std::vector<PairProblem> report_unreachable() const;
    [[nodiscard]] std::vector<std::string> warnings() const;
    void report_totals(RunReport& report) const;

    const Scenario* scenario_;
    std::uint64_t seed_;
    std::unique_ptr<ControlCluster> cluster_;
    ControlFaults faults_;
    InvariantMonitor monitor_;
    FaultPlayer player_;
    ControlDigest digest_;
    Revision seen_ = 1;  ///< of the store: what the digest holds
    std::uint64_t events_ = 0;
    std::vector<EventReport> timeline_;
    std::uint64_t unrecorded_ = 0;
};

}  // namespace overlab
