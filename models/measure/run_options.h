// RunOptions: how a scenario is to be run, beyond what it says itself; the same for every world.
// Fields that a world has no use for are ignored there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace overlab {

/// What only the kernel world (and the kernel world in a guest) can be told.
struct KernelOptions {
    enum class UdpMode : std::uint8_t { fast, classic };
    UdpMode udp_mode = UdpMode::fast;
    unsigned udp_queues = 1;
    /// True: underlay links keep segmentation and checksum offload (fast); false: each frame is a
    /// real segment (faithful).
    bool link_offloads = false;
    /// The agents' packet filter rules, as flanneld's --ip-masq and --iptables-forward-rules.
    bool ip_masq = false, forward_rules = false;
    /// The scenario's time line starts once every node has converged instead of at boot: in an
    /// emulated machine booting takes seconds, and traffic would be over before.
    bool settle_first = false;
    /// vm: the guest's clock runs by itself and jumps over idle time; same seed, same bytes. Only
    /// User-mode Linux of our own build can.
    bool virtual_time = false;
    std::string engine;         ///< vm: kvm, uml or tcg; empty: the fittest
    std::string scratch_dir;    ///< for files of the run; exists
    std::string scenario_file;  ///< where the scenario came from: a guest reads it again
};

struct RunOptions {
    std::uint64_t seed = 0;        ///< 0: the scenario's
    std::string capture_dir;       ///< empty: no captures; else one pcapng a link, and esp_sa keys
    bool keep_forwarding = false;  ///< fill RunReport::forwarding
    /// Called now and then with the time passed and the whole; for progress bars. May be empty.
    std::function<void(std::int64_t now_ns, std::int64_t end_ns)> progress;
    KernelOptions kernel;
};

}  // namespace overlab
