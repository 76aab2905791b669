// OuterSniffer: what leaves a host by its link to the underlay, outermost headers only. A packet
// socket sees a packet after everything that the host does to it, encapsulation and fragmentation
// included, and as it is about to be sent.
//
// A packet is told by its form, not by what the host's rows say it should be: VXLAN, WireGuard and
// a bare IPv4 packet in UDP differ in their first byte. What does not carry the probe is left out:
// ARP, ICMP, WireGuard's handshakes and keepalives, fragments but the first, inner or outer. Inside
// ESP and WireGuard nobody can look; there every packet with a payload counts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/crosscheck/kernel_side.h"
#include "real/base/fd.h"
#include "real/base/netns.h"

namespace overlab::real {

/// `frame`: an Ethernet frame, which may be cut short behind its headers. Empty: left out.
[[nodiscard]] std::optional<OuterPacket> read_outer(std::span<const std::uint8_t> frame);

class OuterSniffer {
   public:
    /// Errors: not_found (no such interface), unsupported, unavailable.
    [[nodiscard]] static Result<OuterSniffer> open(const Netns& netns,
                                                   const std::string& interface);

    /// Since the last call, in order. What came while more than a few hundred packets waited is
    /// lost.
    [[nodiscard]] std::vector<OuterPacket> take();

   private:
    explicit OuterSniffer(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

}  // namespace overlab::real
