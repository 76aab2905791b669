// The seam between a host and what runs in its pods. A pod's interface exchanges IPv4 packets (no
// Ethernet header: the veth pair's framing is of no interest to anybody) with the host's bridge.
#pragma once

#include <cstdint>

#include "models/net/address.h"
#include "sim/frame.h"
#include "sim/host_cpu.h"

namespace overlab::sim {

/// The pod's end: an ns-3 stack (pod_device.h) or a raw generator.
class PodEnd {
   public:
    /// An IPv4 packet for the pod; data() is at its IP header. The host's work is done and paid
    /// for.
    virtual void from_host(FramePtr frame) = 0;
    /// CNI has set the pod up (again): address, gateway (the bridge) and MTU.
    virtual void configured(Ipv4Address address, Ipv4Prefix subnet, Ipv4Address gateway,
                            std::uint32_t mtu) = 0;
    /// The host lost its power, and the pod with it all that it held. configured() again: the pod
    /// was made anew.
    virtual void powered_off() {}
    /// The host stands still (or goes on): nothing runs in the pod meanwhile.
    virtual void set_paused(bool /*paused*/) {}

   protected:
    ~PodEnd() = default;
};

/// The host's end of one pod's interface.
class PodPort {
   public:
    virtual ~PodPort() = default;

    /// An IPv4 packet from the pod; data() is at its IP header, IPv4 checksum right, DF as the pod
    /// wants it, flow_hash and flow_id set. The host charges all send-side stages from `app_send`
    /// on.
    virtual void to_host(FramePtr frame) = 0;

    [[nodiscard]] virtual HostCpu& cpu() = 0;
};

}  // namespace overlab::sim
