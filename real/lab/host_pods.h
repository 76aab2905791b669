// HostPods: the pods of one host and the bridge between them, as the CNI plugins bridge and
// host-local would leave them.
//
//   pod ns: eth0 --veth-- veth0  \ .
//   pod ns: eth0 --veth-- veth1  -- cni0 (.1)   host ns
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/net/address.h"
#include "models/underlay/graph.h"
#include "real/base/netns.h"
#include "real/netlink/links.h"

namespace overlab::real {

class HostPods {
   public:
    struct Pod {
        std::size_t index = 0;         ///< in Scenario::pods
        const Netns* netns = nullptr;  ///< must outlive this
    };

    /// `host_netns` must outlive this. `shaped`: pods' links have a rate (pod_shape) and carry
    /// single frames; else they are as fast as the machine.
    HostPods(const Netns& host_netns, NodeIndex host, std::string host_name, bool shaped)
        : host_netns_(&host_netns), host_(host), name_(std::move(host_name)), shaped_(shaped) {}

    /// In scenario order. Answers the pod's place here.
    std::size_t add(const Pod& pod) {
        pods_.push_back(pod);
        return pods_.size() - 1;
    }
    /// Bridge and veth pairs, down and without addresses.
    [[nodiscard]] Result<void> make(Links& host);
    /// Errors: invalid_argument (the subnet is too small).
    [[nodiscard]] Result<void> move_to(Ipv4Prefix subnet, std::uint32_t mtu);
    /// As when the host is switched off: lines down, addresses gone, until move_to.
    [[nodiscard]] Result<void> cut();
    /// Of the `n`th pod here; unspecified before move_to.
    [[nodiscard]] Ipv4Address address(std::size_t n) const;

   private:
    /// Both ends of the `n`th pod's link.
    [[nodiscard]] Result<void> shape_link(Links& host, std::size_t n);
    [[nodiscard]] Result<void> move_pod(Links& host, std::size_t n, Ipv4Prefix subnet,
                                        std::uint32_t mtu);

    const Netns* host_netns_;
    NodeIndex host_;
    std::string name_;
    bool shaped_;
    std::vector<Pod> pods_;
    std::optional<Ipv4Prefix> subnet_;
};

}  // namespace overlab::real
