// CpuMeter: what a run's hosts cost this machine.
//
// agent and traffic are the processes' own times: of living agents in clock ticks (/proc/PID/stat),
// of programs that have ended exactly (getrusage). Children that still run, such as an agent's
// charon, are not in. softirq is the machine's softirq time during the run (/proc/stat), shared out
// by the bytes that each host's link carried: on a machine that does something else at the same
// time it is too high, and the kernel counts only whole ticks. Packets forwarded inside a sender's
// system call count as the sender's system time.
#pragma once

#include <cstdint>

#include "models/base/time.h"

namespace overlab::real {

class CpuMeter {
   public:
    void start() { softirq_at_start_ = softirq_time(); }
    /// The machine's softirq time since start().
    [[nodiscard]] Duration softirq() const { return softirq_time() - softirq_at_start_; }

    /// CPU time that a living process has taken so far; zero if it is gone.
    [[nodiscard]] static Duration process_time(int pid);

   private:
    [[nodiscard]] static Duration softirq_time();
    Duration softirq_at_start_;
};

}  // namespace overlab::real
