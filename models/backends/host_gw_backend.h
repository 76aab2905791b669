// host-gw: no encapsulation; a plain route to each peer's subnet through the peer's public address.
// Works only between hosts of one segment. docs/backends/host-gw.md has the model and its limits.
#pragma once

#include "models/backends/backend.h"

namespace overlab {

class HostGwBackend final : public Backend {
   public:
    [[nodiscard]] std::string_view name() const override { return "host-gw"; }
    [[nodiscard]] std::uint32_t overlay_mtu(std::uint32_t underlay_mtu) const override {
        return underlay_mtu;
    }
    [[nodiscard]] LeaseAttributes attributes(const HostFacts& host,
                                             MacAddress vtep_mac) const override;
    [[nodiscard]] Plan plan_local(const LocalNode& local) const override;
    [[nodiscard]] Plan plan_peer(const LocalNode& local, const Lease& peer,
                                 Reach reach) const override;
    [[nodiscard]] bool wants_reach() const override { return true; }
    [[nodiscard]] bool wants_vtep_mac() const override { return false; }
};

}  // namespace overlab
