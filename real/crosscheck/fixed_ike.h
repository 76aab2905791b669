// FixedIke: an IKE daemon without IKE. What a connection would negotiate it knows already
// (fixed_sas()), so load() puts both SAs into the kernel and is done.
//
// As charon: AES-GCM with a 16-byte tag, tunnel mode, selectors left to the policies, and a socket
// on UDP port 4500 that takes ESP out of UDP, whether or not a connection asks for that. Other than
// charon: no peer is asked, so a wrong address or secret goes unnoticed, nothing is renewed, and of
// `esp_proposal` nothing is read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/ports/ike_daemon.h"
#include "real/base/fd.h"
#include "real/base/netns.h"
#include "real/netlink/netlink_socket.h"

namespace overlab::real {

class FixedIke final : public IkeDaemon {
   public:
    /// `netns` must outlive this. Nothing is opened before the first load().
    explicit FixedIke(const Netns& netns) : netns_(&netns) {}

    /// Errors: unsupported (this kernel has no XFRM, no ESP or no AES-GCM), unavailable (as for UDP
    /// port 4500, which may be taken).
    [[nodiscard]] Result<void> load(const IkeConnection& connection) override;
    [[nodiscard]] Result<void> unload(const std::string& name) override;
    [[nodiscard]] Result<std::vector<std::string>> loaded() override;
    [[nodiscard]] Result<void> unload_all();

   private:
    [[nodiscard]] Result<void> open();

    const Netns* netns_;
    std::optional<NetlinkSocket> xfrm_;
    Fd encap_socket_;
    std::map<std::string, IkeConnection> connections_;
};

}  // namespace overlab::real
