// Writes packets into a TUN device, for one thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

#include "real/tun/data_path.h"
#include "real/tun/net_unreachable.h"
#include "real/tun/vnet_header.h"

namespace overlab::real {

class TunWriter {
   public:
    enum class Headers : bool { none, vnet };

    TunWriter(const Fd& tun, const StopSignal& stop, Headers headers, PathTally& tally)
        : tun_(tun), stop_(stop), headers_(headers), tally_(tally) {}

    /// One packet in pieces. Waits while the device cannot take it; a packet that it refuses (the
    /// device is down, say) is counted.
    void write(const VnetHeader& vnet, std::span<const iovec> pieces);
    /// Tells the packet's sender that nobody has its destination; not more often than IcmpLimit.
    void report_unreachable(std::span<const std::uint8_t> packet);

   private:
    const Fd& tun_;
    const StopSignal& stop_;
    Headers headers_;
    PathTally& tally_;
    IcmpLimit limit_;
};

}  // namespace overlab::real
