// KernelWorld: one run on this kernel: the lab, the store, an agent process on every host, pods and
// their traffic. world.h is the front door; this is for those who need to look inside (tests,
// `trace`).
//
// Instant 0 is when all agents are told to start; everything before (namespaces, the store, charon)
// is the machine being switched on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/fault/fault_player.h"
#include "models/measure/fault_meter.h"
#include "models/measure/run_options.h"
#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"
#include "real/agent/agent_process.h"
#include "real/base/event_loop.h"
#include "real/lab/lab.h"
#include "real/traffic/real_traffic.h"
#include "real/world/cpu_meter.h"
#include "real/world/pinger.h"
#include "real/world/store_service.h"

namespace overlab::real {

/// In virtual time waiting is free and looking is not: how often somebody who watches over a
/// silent store looks. A 24th of a lease's life, in whole seconds from 1 s to 1 h.
[[nodiscard]] Duration quiet_span(Duration lease_ttl);
/// How often a run of this length tells its progress: every 200 ms, but 1000 times at most.
[[nodiscard]] Duration progress_step(Duration run);

class KernelFaults;

class KernelWorld final : private FaultListener {
   public:
    /// Everything in place and every agent ready, nothing started. The scenario must outlive the
    /// world. Errors: see run().
    [[nodiscard]] static Result<std::unique_ptr<KernelWorld>> build(const Scenario& scenario,
                                                                    const RunOptions& options);
    ~KernelWorld() override;
    KernelWorld(const KernelWorld&) = delete;
    KernelWorld& operator=(const KernelWorld&) = delete;

    /// Instant 0: captures, boots and traffic start. Errors: unavailable (captures).
    [[nodiscard]] Result<void> begin();
    /// To the end of the scenario and until its traffic's programs have reported. Errors:
    /// unavailable (an agent ended by itself).
    [[nodiscard]] Result<void> run_to_end();
    /// Until every agent has the rows for all others; false if `limit` passed first.
    [[nodiscard]] bool run_until_converged(Duration limit);
    /// Stops captures and asks everybody; the agents run on.
    [[nodiscard]] Result<RunReport> report();

    /// One host's agent and what is known of it.
    struct Agent {
        NodeIndex host = 0;
        std::unique_ptr<AgentProcess> process;
        bool ready = false;
        bool begun = false;             ///< told to start
        bool begin_when_ready = false;  ///< it was started again
        bool stopped = false;           ///< by SIGSTOP: it answers nothing
        std::optional<std::string> failure;
        std::optional<AgentStatus> status;  ///< the last answer
        std::uint64_t store_messages = 0;   ///< as it last told
        Duration spent;                     ///< CPU time of processes that are gone
        std::optional<std::pair<Ipv4Prefix, std::uint32_t>> pods_at;  ///< subnet and MTU
    };
    [[nodiscard]] std::vector<Agent>& agents() { return agents_; }
    [[nodiscard]] Lab& lab() { return *lab_; }
    [[nodiscard]] EventLoop& loop() { return loop_; }
    [[nodiscard]] StoreService& store() { return *store_; }
    /// Into the report's timeline; an empty host is none of them.
    void note(const std::string& host, const std::string& what);

    /// As an operator's kill -9 of one agent, and starting it again; it begins at once.
    void kill_agent(Agent& agent);
    [[nodiscard]] Result<void> restart_agent(Agent& agent);
    /// The same without waiting for it to be ready: from within the loop's callbacks.
    [[nodiscard]] Result<void> start_again(Agent& agent);
    /// SIGSTOP and SIGCONT.
    void stop_agent(Agent& agent);
    void continue_agent(Agent& agent);
    /// Fresh statuses of all agents; false if one did not answer in time.
    bool refresh_statuses();

   private:
    KernelWorld(const Scenario& scenario, const RunOptions& options);
    [[nodiscard]] Result<void> assemble();
    [[nodiscard]] Result<void> start_store();
    [[nodiscard]] Result<void> start_agents();
    [[nodiscard]] Result<void> start_agent(Agent& agent);
    void begin_agent(Agent& agent);
    [[nodiscard]] Result<void> await_ready();
    [[nodiscard]] AgentOptions agent_options(NodeIndex host) const;
    void warm_up() const;
    void add_traffic();
    void schedule_boots();
    void settle();
    void await_connectivity();
    void start_faults();
    void fault_began(std::size_t fault, const std::string& what) override;
    void fault_ended(std::size_t fault, const std::string& what) override;
    void fault_refused(std::size_t fault, const Error& why) override;
    [[nodiscard]] FaultCounters fault_counters() const;
    void keep_progress();
    void hear(Agent& agent, const AgentMessage& message);
    void hear_of_lease(Agent& agent, const AgentMessage& message);
    [[nodiscard]] const std::string& name_of(NodeIndex node) const;
    [[nodiscard]] bool traffic_finished() const;
    [[nodiscard]] const Agent* failed_agent() const;

    // kernel_report.cc
    [[nodiscard]] HostReport report_host(const Agent& agent) const;
    static void share_softirq(Duration softirq, RunReport& report);
    [[nodiscard]] std::vector<PairProblem> report_unreachable();
    [[nodiscard]] std::vector<PingEnd> ping_ends();
    void report_totals(RunReport& report) const;
    [[nodiscard]] std::vector<std::string> warnings();
    [[nodiscard]] std::int64_t converged_since(const Agent& agent) const;

    const Scenario* scenario_;
    RunOptions options_;
    std::uint64_t seed_;
    std::filesystem::path folder_;
    EventLoop loop_;
    std::unique_ptr<Lab> lab_;
    std::optional<StoreService> store_;
    std::vector<Agent> agents_;  ///< ascending by host; never resized after start
    std::vector<std::unique_ptr<RealTraffic>> traffic_;  ///< as Scenario::traffic
    CpuMeter cpu_;
    std::unique_ptr<KernelFaults> faults_;
    std::optional<FaultMeter> meter_;
    std::optional<FaultPlayer> player_;
    std::vector<EventReport> timeline_;
    std::uint64_t unrecorded_remarks_ = 0;
};

}  // namespace overlab::real
