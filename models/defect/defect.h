// Defects: known faults of systems of this kind, as layers around the ports of one host's agent or
// as values of its options. Backends, nodes and stores know nothing of them: a scenario switches
// one on by name and the world puts the layer in between. docs/zoo.md tells the story of each.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/node/overlay_node.h"
#include "models/ports/host_stack.h"
#include "models/ports/ike_daemon.h"
#include "models/ports/kv_store.h"
#include "models/ports/lease_store.h"
#include "models/ports/runtime.h"
#include "models/store/kv_lease_store.h"

namespace overlab {

struct Defect {
    std::string_view name;  ///< as in a scenario: `no-conflict-retry`
    std::string_view what;  ///< one sentence
};
/// Sorted by name.
[[nodiscard]] std::span<const Defect> known_defects();

/// What a host keeps from one life of its agent to the next: it is on its disk.
struct DefectMemory {
    std::optional<Ipv4Address> first_address;
};

/// The layers of one agent, for one life of it. Without defects every function gives back what it
/// was given. Layers live as long as this object; it must outlive the agent.
class HostDefects {
   public:
    struct World {
        Runtime* runtime = nullptr;
        /// The agent's process ends itself, as a program does that meets a fatal error. Called from
        /// within the agent's own callbacks: the world kills it when the stack has unwound, and
        /// nothing starts it again.
        std::function<void(const std::string& why)> die;
        /// The host's own, for as long as the world lives; null: this life's alone.
        DefectMemory* memory = nullptr;
    };

    /// `names` are known (the parser has checked them).
    HostDefects(std::span<const std::string> names, World world);
    ~HostDefects();
    HostDefects(const HostDefects&) = delete;
    HostDefects& operator=(const HostDefects&) = delete;

    /// First of all: the layers go by what the options say.
    void adjust(KvLeaseStoreOptions& options);
    void adjust(NodeOptions& options) const;

    // Once each.
    [[nodiscard]] KvStore& around(KvStore& kv);
    [[nodiscard]] LeaseStore& around(LeaseStore& leases, KvStore& kv);
    [[nodiscard]] HostStack& around(HostStack& stack);
    [[nodiscard]] IkeDaemon* around(IkeDaemon* ike);  ///< null stays null

    // For a world whose IKE daemon can be told.
    /// Without it no dead peer is ever noticed.
    [[nodiscard]] bool dead_peer_detection() const;
    /// With it a peer that begins anew is refused as long as its old IKE SA is there.
    [[nodiscard]] bool first_ike_sa_kept() const;

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab
