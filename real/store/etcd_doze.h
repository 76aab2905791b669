// EtcdDoze: keeps an etcd stopped while nobody talks to it, for virtual time.
//
// An idle etcd wakes dozens of times a second (watches every 100 ms, leases every 500 ms, raft's
// heartbeats), which costs a machine next to nothing, but a guest whose clock jumps over idle time
// nearly everything: a month is 200 million wake-ups. So a process beside it stops it (SIGSTOP) and
// lets it run (SIGCONT)
//   - as soon as a TCP segment with data for its port has arrived, until none has for a second;
//   - for a moment every `look_every`, so that leases expire at most so much late.
// What arrives meanwhile waits in the kernel, which also shakes hands for it: clients notice
// nothing. The kernel's probes of clients (TCP keepalive) are switched off.
//
// Left out: the end of a connection (FIN, RST) does not wake it; what etcd would do by itself
// between two looks (compaction, defragmentation, its own health check).
#pragma once

#include <cstdint>
#include <utility>

#include "models/base/error.h"
#include "models/base/time.h"
#include "real/base/netns.h"
#include "real/base/process.h"

namespace overlab::real {

class EtcdDoze {
   public:
    /// From the return on, until destroyed; etcd is then left as it is, which may be stopped.
    /// `etcd` is a living child of ours that listens on `port` in `netns`. `look_every` > 0.
    /// Errors: unavailable (no packet socket).
    [[nodiscard]] static Result<EtcdDoze> start(const Process& etcd, const Netns& netns,
                                                std::uint16_t port, Duration look_every);

   private:
    explicit EtcdDoze(Process process) : process_(std::move(process)) {}
    Process process_;
};

}  // namespace overlab::real
