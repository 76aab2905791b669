// HostProgram: overlab's agent and what it needs on one simulated host: the store client, the lease
// store, the IKE daemon where the backend wants one, and the OverlayNode that joins them. Plays CNI
// as well: when the node has a lease, the host's pods are set up.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "models/node/overlay_node.h"
#include "models/scenario/scenario.h"
#include "models/store/kv_lease_store.h"
#include "sim/capture.h"
#include "sim/sim_host_stack.h"
#include "sim/sim_ike_daemon.h"
#include "sim/sim_kv_store.h"

namespace overlab::sim {

class HostProgram final : private NodeObserver, private SaSink {
   public:
    struct Setup {
        const Scenario* scenario = nullptr;
        std::uint64_t seed = 1;
        Endpoint store;
        LeaseDecoder* decoder = nullptr;  ///< shared by all hosts of a run
        EspKeyRing* keys = nullptr;       ///< likewise
        /// What a person should know, with the host's name: for the report's timeline.
        std::function<void(const std::string& host, const std::string& what)> remark;
    };

    HostProgram(SimHost& host, Runtime& runtime, const Setup& setup);

    void start() { node_.start(); }

    [[nodiscard]] const OverlayNode& node() const { return node_; }
    [[nodiscard]] SimHost& host() { return host_; }
    [[nodiscard]] const StreamCounters& store_counters() const { return kv_.counters(); }
    [[nodiscard]] std::optional<Instant> lease_acquired() const { return lease_acquired_; }
    /// When rows last changed; its state of now has held since then.
    [[nodiscard]] Instant last_change() const { return last_change_; }

   private:
    [[nodiscard]] static std::unique_ptr<SimIkeDaemon> make_ike(SimHost& host, Runtime& runtime,
                                                                SaSink& sink, const Setup& setup);

    // NodeObserver
    void lease_acquired(const HeldLease& held, std::uint32_t overlay_mtu) override;
    void rows_applied(std::size_t installed, std::size_t withdrawn, std::size_t failed) override;
    void remark(const std::string& what) override;

    // SaSink
    void install(const SaRow& sa, const EspKey& key) override;
    void withdraw(const SaRow& sa) override;

    SimHost& host_;
    Runtime& runtime_;
    Setup setup_;
    SimHostStack stack_;
    SimKvStore kv_;
    KvLeaseStore leases_;
    std::unique_ptr<SimIkeDaemon> ike_;  ///< null: the backend needs none
    OverlayNode node_;
    std::optional<Instant> lease_acquired_;
    Instant last_change_;
};

}  // namespace overlab::sim
