// ControlAgent: one life of one host's agent: the OverlayNode with everything of its own, from the
// connection to the store to the IKE daemon that it has started. Destruction is kill -9: rows, SAs
// and lease stay.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "models/control/control_host.h"
#include "models/control/host_kv.h"
#include "models/control/ike_mesh.h"
#include "models/defect/defect.h"
#include "models/fault/host_clock.h"
#include "models/node/overlay_node.h"
#include "models/scenario/scenario.h"
#include "models/store/kv_lease_store.h"
#include "models/store/lease_decoder.h"
#include "models/store/local_kv_store.h"

namespace overlab {

/// What agents share. References outlive them.
struct ControlAgentSetup {
    const Scenario& scenario;
    Runtime& world;
    LocalKvServer& server;
    LeaseDecoder& decoder;
    IkeMesh& ike;
};

/// Of this life.
struct ControlLife {
    std::uint64_t seed = 1;
    std::optional<LeaseSubnet> previous;  ///< what subnet.env says
    HostClock* clock = nullptr;           ///< null: the world's time
    bool connected = true;                ///< to the store
};

class ControlAgent {
   public:
    ControlAgent(const ControlAgentSetup& setup, ControlHost& host, const ControlLife& life,
                 NodeObserver& observer, std::function<void(const std::string& why)> die);
    ~ControlAgent();
    ControlAgent(const ControlAgent&) = delete;
    ControlAgent& operator=(const ControlAgent&) = delete;

    void start() { node_->start(); }
    void set_connected(bool connected) { kv_.set_connected(connected); }
    void kill_ike();
    void start_ike();
    [[nodiscard]] const OverlayNode& node() const { return *node_; }
    [[nodiscard]] std::uint64_t store_calls() const { return kv_.calls(); }

   private:
    LocalKvStore kv_;
    std::optional<HostKv> paused_kv_;       ///< where the host has a clock of its own
    std::unique_ptr<HostDefects> defects_;  ///< null: none
    std::unique_ptr<KvLeaseStore> leases_;
    std::unique_ptr<IkeMesh::Daemon> ike_;  ///< ipsec only
    std::unique_ptr<OverlayNode> node_;
};

}  // namespace overlab
