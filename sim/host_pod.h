// The host's end of one pod's veth pair (private to sim_host.cc and its parts).
#pragma once

#include "sim/sim_host.h"

namespace overlab::sim {

class SimHost::Pod final : public PodPort {
   public:
    Pod(SimHost& host, PodEnd& end, std::uint32_t resume_port)
        : resume(resume_port), host_(&host), end_(&end) {}

    void to_host(FramePtr frame) override;
    [[nodiscard]] HostCpu& cpu() override { return host_->cpu_; }
    [[nodiscard]] PodEnd& end() { return *end_; }

    Ipv4Address address;
    std::uint32_t resume;  ///< SimHost::receive() port that delivers to this pod

   private:
    SimHost* host_;
    PodEnd* end_;
};

}  // namespace overlab::sim
