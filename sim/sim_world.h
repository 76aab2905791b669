// SimWorld: one run: the underlay, the store, a program on every host, pods and their traffic.
// world.h is the front door; this is for those who need to look inside (tests, benchmarks,
// `trace`).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/host_program.h"
#include "sim/pod.h"
#include "sim/sim_kv_server.h"
#include "sim/traffic.h"
#include "sim/underlay_network.h"
#include "sim/world.h"

namespace overlab::sim {

class SimWorld {
   public:
    /// Everything in place, nothing started. The scenario must outlive the world. Errors: see
    /// run().
    [[nodiscard]] static Result<std::unique_ptr<SimWorld>> build(const Scenario& scenario,
                                                                 const RunOptions& options);
    ~SimWorld();
    SimWorld(const SimWorld&) = delete;
    SimWorld& operator=(const SimWorld&) = delete;

    /// To the end of the scenario, or to `end_ns` if that is earlier.
    void run_until(std::int64_t end_ns);
    /// Until every node holds a lease and knows every other, at most to `end_ns`. True if it came
    /// to be.
    bool run_until_converged(std::int64_t end_ns);

    [[nodiscard]] bool converged() const;
    [[nodiscard]] RunReport report() const;
    /// Writes out what captures hold back. Errors: unavailable.
    [[nodiscard]] Result<void> finish_captures();

    [[nodiscard]] Engine& engine() { return engine_; }
    [[nodiscard]] UnderlayNetwork& network() { return *network_; }
    [[nodiscard]] const std::vector<std::unique_ptr<HostProgram>>& programs() const {
        return programs_;
    }
    [[nodiscard]] const std::vector<std::unique_ptr<Pod>>& pods() const { return pods_; }

   private:
    SimWorld(const Scenario& scenario, const RunOptions& options);
    [[nodiscard]] Result<void> assemble();
    [[nodiscard]] Result<void> start_store();
    void add_programs();
    void add_pods();
    void add_traffic();
    void schedule_faults();
    [[nodiscard]] Result<void> open_captures();
    void note(const std::string& host, const std::string& what);

    // sim_report.cc
    [[nodiscard]] HostReport report_host(HostProgram& program) const;
    [[nodiscard]] std::vector<LinkReport> report_links() const;
    [[nodiscard]] std::vector<FlowReport> report_flows() const;
    [[nodiscard]] std::vector<PairProblem> report_unreachable() const;
    void report_totals(RunReport& report) const;
    [[nodiscard]] std::vector<std::string> warnings() const;
    [[nodiscard]] std::int64_t converged_since(const HostProgram& program) const;

    const Scenario* scenario_;
    RunOptions options_;
    std::uint64_t seed_;
    Engine& engine_;
    EngineRuntime runtime_;
    CostProfile costs_;
    EspKeyRing keys_;
    LeaseDecoder decoder_;
    std::unique_ptr<UnderlayNetwork> network_;
    std::unique_ptr<SimKvServer> store_;
    std::vector<std::unique_ptr<HostProgram>> programs_;  ///< ascending by host name
    std::vector<std::unique_ptr<Pod>> pods_;              ///< as Scenario::pods
    std::vector<std::unique_ptr<Traffic>> traffic_;       ///< as Scenario::traffic
    std::vector<EventReport> timeline_;
    std::uint64_t unrecorded_remarks_ = 0;
};

}  // namespace overlab::sim
