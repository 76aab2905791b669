#include "real/crosscheck/space.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "models/base/check.h"
#include "real/lab/ethtool.h"
#include "real/lab/lab_nodes.h"
#include "real/netlink/attributes.h"

namespace overlab::real {

Result<std::unique_ptr<Space>> Space::make(bool forwards) {
    OVERLAB_TRY(Netns netns, Netns::create());
    std::unique_ptr<Space> space(new Space(std::move(netns)));
    OVERLAB_TRY(space->links_, Links::open(space->netns_));
    if (Result<void> set = set_defaults(*space->links_, forwards); !set)
        return std::unexpected(set.error());
    // No kind of ICMP message is limited then (icmpv4_mask_allow()), by destination or over all.
    if (Result<void> set = space->links_->set_sysctl("net/ipv4/icmp_ratemask", "0"); !set)
        return std::unexpected(set.error());
    const NetnsScope scope(space->netns_);
    space->flush_ = Fd(::open("/proc/sys/net/ipv4/route/flush", O_WRONLY | O_CLOEXEC));
    if (!space->flush_.valid())
        return fail(ErrorKind::unsupported, "sysctl net/ipv4/route/flush: not in this namespace");
    return space;
}

void Space::forget_paths() {
    // ipv4_sysctl_rtcache_flush(): the exceptions' generation is over (fnhe_genid).
    CHECK(::pwrite(flush_.get(), "1", 1, 0) == 1);
}

Result<void> Space::forget_neighbours(const std::string& interface, MacAddress mac) {
    // To give an interface the address that it has is no change, but the kernel tells its protocols
    // of one, and ARP forgets all that it knows there (neigh_changeaddr()).
    NetlinkBatch batch;
    nlmsghdr* const message = batch.add(RTM_SETLINK, 0, sizeof(ifinfomsg));
    put_text(message, IFLA_IFNAME, interface);
    put_mac(message, IFLA_ADDRESS, mac);
    return links_->socket().execute_one(batch);
}

Result<void> Space::raise(const std::string& interface) {
    if (Result<void> up = links_->set_up(interface, true); !up) return up;
    return turn_offloads_off(netns_, interface);
}

}  // namespace overlab::real
