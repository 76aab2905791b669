#include "models/crosscheck/kernel_side.h"

#include <fmt/format.h>

namespace overlab {
namespace {

std::string end_text(const ProbeOutcome& outcome) {
    switch (outcome.end) {
        case ProbeOutcome::End::delivered:
            return "delivered";
        case ProbeOutcome::End::silence:
            return "silence";
        case ProbeOutcome::End::icmp:
            break;
    }
    std::string text = fmt::format("icmp {}/{} from {}", outcome.icmp_type, outcome.icmp_code,
                                   outcome.icmp_from.to_string());
    if (outcome.icmp_mtu != 0) text += fmt::format(" mtu {}", outcome.icmp_mtu);
    return text;
}

std::string outer_text(const OuterPacket& outer) {
    std::string text = fmt::format("{} -> {} proto {}", outer.source.to_string(),
                                   outer.destination.to_string(), outer.protocol);
    if (outer.destination_port != 0) text += fmt::format(" port {}", outer.destination_port);
    text += fmt::format(" size {} ttl {}", outer.size, outer.ttl);
    if (outer.dont_fragment) text += " df";
    if (outer.tag != 0) text += fmt::format(" tag {:#x}", outer.tag);
    return text;
}

}  // namespace

/// `delivered; 192.0.2.1 -> 192.0.2.2 proto 17 port 8472 size 134 ttl 64 tag 0x1`: what became of
/// it, then each outer packet.
std::string to_string(const ProbeOutcome& outcome) {
    std::string text = end_text(outcome);
    for (const OuterPacket& outer : outcome.outer) text += "; " + outer_text(outer);
    return text;
}

}  // namespace overlab
