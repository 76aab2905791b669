// Lab: a scenario's underlay on this kernel: a namespace for every host, switch, router and pod,
// veth pairs for links, shaped at both ends. Addresses, MACs and routes are those that the
// simulated underlay has (UnderlayGraph).
//
//   pod ns          host ns                        switch ns              router ns
//   eth0 --veth-- [ cni0 ]   eth0 --veth(tbf, netem)-- [ bridge ] --veth-- <peer name>
//
// Must run inside a sandbox (real/base/sandbox.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/measure/run_report.h"
#include "models/ports/host_stack.h"
#include "models/scenario/scenario.h"
#include "models/underlay/graph.h"
#include "real/base/netns.h"

namespace overlab::real {

/// fast: veth keeps segmentation and checksum offload, so that 64 KB aggregates cross links in one
/// piece. faithful: offloads are off on underlay links, so that captures, counters and MTU checks
/// tell the truth; several times slower.
enum class LinkProfile : std::uint8_t { fast, faithful };

struct LabOptions {
    LinkProfile profile = LinkProfile::faithful;
    /// Links of this rate and above are not shaped: a veth cannot reach them anyway. 0: shape none.
    std::uint64_t shape_below_bps = 5'000'000'000;
    /// All links are shaped exactly, whatever their rate, and pods' interfaces to pod_rate_bps.
    /// Pods lose their offloads too: a packet is a frame everywhere.
    bool virtual_time = false;
};

/// Namespaces end with the object, as soon as no process is left in them.
class Lab {
   public:
    /// Errors: those of UnderlayGraph::build; unsupported (delay, loss or a link kind that this
    /// kernel lacks: says which link wants it, and that --world vm has it; a switch with more links
    /// than a bridge has ports); unavailable. `scenario` must outlive the lab.
    [[nodiscard]] static Result<std::unique_ptr<Lab>> build(const Scenario& scenario,
                                                            const LabOptions& options);
    virtual ~Lab() = default;

    [[nodiscard]] virtual const UnderlayGraph& graph() const = 0;
    [[nodiscard]] virtual const Netns& node(NodeIndex node) const = 0;
    [[nodiscard]] virtual const Netns& pod(std::size_t pod) const = 0;  ///< index as Scenario::pods
    [[nodiscard]] virtual HostFacts facts(NodeIndex host) const = 0;

    /// What CNI does once the host has a lease: bridge cni0 with the subnet's .1, pods from .2 on
    /// in scenario order with MTU `overlay_mtu` and a default route. Called again after a new
    /// lease, it moves them. Errors: invalid_argument (the subnet is too small for the host's
    /// pods).
    [[nodiscard]] virtual Result<void> set_up_pods(NodeIndex host, Ipv4Prefix subnet,
                                                   std::uint32_t overlay_mtu) = 0;
    /// Unspecified before set_up_pods.
    [[nodiscard]] virtual Ipv4Address pod_address(std::size_t pod) const = 0;

    /// A link that is down takes every packet away in silence, as in the sim: interfaces stay up
    /// and keep their routes. Idempotent.
    [[nodiscard]] virtual Result<void> set_link_up(LinkId link, bool up) = 0;

    /// What a fault makes of a link, both ways; an empty change is the link as the scenario has it.
    /// A smaller MTU is that of the ends that are no host's: there larger packets vanish (switch)
    /// or are answered (router), up to 4 octets late, since veth leaves room for a VLAN tag.
    /// Errors: unsupported (this kernel lacks netem).
    [[nodiscard]] virtual Result<void> change_link(LinkId link, const LinkChange& change) = 0;
    /// The host's pods lose their interfaces' addresses and lines, as when it is switched off;
    /// set_up_pods brings them back.
    [[nodiscard]] virtual Result<void> cut_pods(NodeIndex host) = 0;
    /// Another external address on the host's segment, its routes anew; facts() tells of it.
    [[nodiscard]] virtual Result<void> set_address(NodeIndex host, Ipv4Address address) = 0;

    /// One pcapng a link in `folder`, named after the link as the sim names them; both directions
    /// as end a sees them, in nanoseconds since `epoch_ns` (EventLoop::epoch_ns). A process of its
    /// own writes them. Errors: unavailable.
    [[nodiscard]] virtual Result<void> start_captures(const std::filesystem::path& folder,
                                                      std::int64_t epoch_ns) = 0;
    /// Writes what has been seen; adds a warning for every link that lost packets. Errors:
    /// unavailable (not written completely). Without captures: success.
    [[nodiscard]] virtual Result<void> stop_captures() = 0;

    /// Counters since build, both directions of every link, in the sim's order (models/measure).
    /// Frames are what the sender's interface counted after its queue; bytes include framing, but
    /// not the padding of frames shorter than 60 octets. In the fast profile an aggregate is one
    /// frame. Not counted, so zero: MTU drops, largest packet.
    [[nodiscard]] virtual Result<std::vector<LinkReport>> link_reports() = 0;
    /// What was not modelled as the scenario says, for people. Grows with stop_captures.
    [[nodiscard]] virtual const std::vector<std::string>& warnings() const = 0;
};

}  // namespace overlab::real
