// HostSpace: a host of a cross-check's world with its one pod:
//
//   pod ns: eth0 --veth-- veth0 - cni0 (.1)   host ns: eth0 --veth-- h<n>   switches' ns
//
// Made once, then given another place, another pod and other rows as histories go by.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "models/base/error.h"
#include "models/net/address.h"
#include "real/crosscheck/fixed_ike.h"
#include "real/crosscheck/outer_sniffer.h"
#include "real/crosscheck/probe_socket.h"
#include "real/crosscheck/space.h"
#include "real/crosscheck/watched_stack.h"

namespace overlab::real {

/// A host's place on the underlay.
struct Seat {
    std::string name;
    Ipv4Prefix subnet;
    Ipv4Address address, router;
    std::uint32_t mtu = 1500;

    friend bool operator==(const Seat&, const Seat&) = default;
};

class HostSpace {
   public:
    /// The `index`th host; its port appears among `switches` as port_name(index), up and in no
    /// bridge. Errors: those of Space::make; unavailable.
    [[nodiscard]] static Result<std::unique_ptr<HostSpace>> make(
        std::size_t index, Space& switches, const std::filesystem::path& key_folder);
    [[nodiscard]] static std::string port_name(std::size_t index);

    /// Address, MTU and default route; a stack for it. As it is already: nothing. Must be clear.
    [[nodiscard]] Result<void> take(const Seat& seat);
    /// Without an address and without a stack.
    [[nodiscard]] Result<void> leave();
    /// Takes away our rows, SAs, the pod's addresses and what was learned of neighbours.
    [[nodiscard]] Result<void> clear();
    [[nodiscard]] Result<void> set_pod(Ipv4Prefix subnet, std::uint32_t mtu);

    [[nodiscard]] WatchedStack& stack();
    [[nodiscard]] FixedIke& ike() { return *ike_; }
    [[nodiscard]] ProbeSocket& probes() { return *probes_; }
    [[nodiscard]] OuterSniffer& sniffer() { return *sniffer_; }
    [[nodiscard]] std::optional<Ipv4Address> pod_address() const;
    void forget_paths();

   private:
    struct PodSetting {
        Ipv4Prefix subnet;
        std::uint32_t mtu = 0;
        friend bool operator==(const PodSetting&, const PodSetting&) = default;
    };

    explicit HostSpace(std::size_t index) : index_(index) {}
    [[nodiscard]] Result<void> connect(Space& switches);
    [[nodiscard]] Result<void> make_pod();
    [[nodiscard]] Result<void> withdraw_rows();
    [[nodiscard]] Result<void> remove_pod_addresses();
    [[nodiscard]] Result<void> set_pod_mtu(std::uint32_t mtu);

    std::size_t index_;
    std::unique_ptr<Space> host_, pod_;
    std::filesystem::path key_file_;
    std::optional<OuterSniffer> sniffer_;
    std::optional<ProbeSocket> probes_;
    std::optional<FixedIke> ike_;
    std::optional<Seat> seat_;
    std::unique_ptr<WatchedStack> stack_;
    std::optional<PodSetting> pod_setting_;
    std::uint32_t pod_mtu_ = 1500;  ///< of the devices, whether or not there is a lease
};

}  // namespace overlab::real
