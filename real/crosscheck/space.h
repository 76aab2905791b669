// Space: a network namespace of a cross-check's world: host, pod, router, or the place of all
// switches. It stays when the layout changes: making and deleting namespaces and interfaces is what
// costs a kernel most.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "models/base/error.h"
#include "models/net/address.h"
#include "real/base/fd.h"
#include "real/base/netns.h"
#include "real/netlink/links.h"

namespace overlab::real {

class Space {
   public:
    /// Without IPv6, filters, redirects or rate limits of ICMP. Errors: those of Netns::create.
    [[nodiscard]] static Result<std::unique_ptr<Space>> make(bool forwards);
    Space(const Space&) = delete;
    Space& operator=(const Space&) = delete;

    [[nodiscard]] const Netns& netns() const { return netns_; }
    [[nodiscard]] Links& links() { return *links_; }

    /// What ICMP taught of paths' MTUs.
    void forget_paths();
    /// The neighbours of an interface that has this MAC, permanent ones too.
    [[nodiscard]] Result<void> forget_neighbours(const std::string& interface, MacAddress mac);

    /// Up, and sees that it is; frames are what a wire could carry.
    [[nodiscard]] Result<void> raise(const std::string& interface);

   private:
    explicit Space(Netns netns) : netns_(std::move(netns)) {}
    Netns netns_;
    std::optional<Links> links_;
    Fd flush_;
};

}  // namespace overlab::real
