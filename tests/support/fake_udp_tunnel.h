// FakeUdpTunnel: a UdpTunnel with a real TUN device and no data plane behind it.
#pragma once

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "real/base/fd.h"
#include "real/base/netns.h"
#include "real/tun/udp_tunnel.h"

namespace overlab::test {

class FakeUdpTunnel final : public real::UdpTunnel {
   public:
    explicit FakeUdpTunnel(const real::Netns& netns) : netns_(&netns) {}

    Result<void> install_link(const LinkRow& row) override {
        if (link_ && *link_ == row) return {};
        device_.close();
        const real::NetnsScope there(*netns_);
        real::Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
        ifreq request{};
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        std::strncpy(request.ifr_name, row.name.c_str(), IFNAMSIZ - 1);
        if (!fd.valid() || ::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
            return fail(ErrorKind::unsupported, "link " + row.name + ": no /dev/net/tun");
        }
        device_ = std::move(fd);
        link_ = row;
        return {};
    }
    Result<void> withdraw_link(const LinkName& name) override {
        if (!link_ || link_->name != name) return {};
        device_.close();
        link_.reset();
        peers_ = {};
        return {};
    }
    Result<void> install_peer(const TunnelPeerRow& row) override {
        if (!link_ || link_->name != row.link) {
            return fail(ErrorKind::not_found, to_string(Row(row)) + ": no device " + row.link);
        }
        peers_.install(row);
        return {};
    }
    Result<void> withdraw_peer(const TunnelPeerRow& row) override {
        peers_.withdraw(row);
        return {};
    }
    [[nodiscard]] std::vector<Row> rows() const override {
        std::vector<Row> all;
        if (link_) all.emplace_back(*link_);
        for (const Row& row : peers_.rows()) all.push_back(row);
        return all;
    }
    [[nodiscard]] real::UdpTunnelCounters counters() const override { return {}; }

   private:
    const real::Netns* netns_;
    real::Fd device_;
    std::optional<LinkRow> link_;
    ForwardingState peers_;
};

}  // namespace overlab::test
