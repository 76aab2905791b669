// ProbeSocket: a pod's end of probes: it sends them, takes what arrives for the pod, and is told by
// ICMP what became of those it sent (IP_RECVERR). Each probe carries its number, so that what an
// earlier one left behind is not taken for this one's.
#pragma once

#include <cstdint>
#include <optional>

#include "models/base/error.h"
#include "models/crosscheck/kernel_side.h"
#include "real/base/fd.h"
#include "real/base/netns.h"

namespace overlab::real {

class ProbeSocket {
   public:
    static constexpr std::uint32_t least_size = 36;  ///< headers and the number

    /// In the pod's namespace. Errors: unavailable.
    [[nodiscard]] static Result<ProbeSocket> open(const Netns& pod);

    /// Forgets what came for earlier probes.
    void drain();
    /// Done, or refused by the pod's own device because the packet is larger than its MTU, which
    /// counts as an ICMP message: the outcome says so. Errors: unavailable.
    [[nodiscard]] Result<std::optional<ProbeOutcome>> send(const ProbePacket& packet,
                                                           std::uint64_t number);

    /// What ICMP said of probe `number`, without `outer`.
    [[nodiscard]] std::optional<ProbeOutcome> read_answer(std::uint64_t number);
    /// True if probe `number` has come here.
    [[nodiscard]] bool read_arrival(std::uint64_t number);

    [[nodiscard]] int sender_fd() const { return sender_.get(); }
    [[nodiscard]] int receiver_fd() const { return receiver_.get(); }

   private:
    ProbeSocket(Fd sender, Fd receiver)
        : sender_(std::move(sender)), receiver_(std::move(receiver)) {}

    Fd sender_, receiver_;
};

}  // namespace overlab::real
