// What programs on a simulated host (store server and clients, IKE daemon) may use: datagrams of a
// transport protocol to and from the host's own underlay address, with the host's routing, ARP and
// CPU cost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "models/net/address.h"
#include "sim/frame.h"
#include "sim/host_cpu.h"

namespace overlab::sim {

struct Endpoint {
    Ipv4Address address;
    std::uint16_t port = 0;
    friend auto operator<=>(Endpoint, Endpoint) = default;
};

enum class Transport : std::uint8_t { tcp = 6, udp = 17 };

class HostSockets {
   public:
    virtual ~HostSockets() = default;

    [[nodiscard]] virtual Ipv4Address address() const = 0;
    [[nodiscard]] virtual const std::string& host_name() const = 0;
    [[nodiscard]] virtual HostCpu& cpu() = 0;

    /// Frames for this port: data() is at the transport header. `from` is the sender. One handler a
    /// port (CHECK); an empty handler frees the port.
    virtual void bind(Transport transport, std::uint16_t port,
                      std::function<void(FramePtr frame, Endpoint from)> handler) = 0;

    /// Sends a frame whose data() is at the transport header (already written, checksum left 0);
    /// the host prepends IPv4 (DF set) and Ethernet, resolves the next hop by ARP, and may drop it
    /// silently.
    virtual void send(FramePtr frame, Transport transport, Endpoint to) = 0;

    /// The largest transport segment (header + payload) that fits the external link's MTU.
    [[nodiscard]] virtual std::uint32_t max_segment_bytes() const = 0;
};

}  // namespace overlab::sim
