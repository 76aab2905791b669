// KernelHost: a host of this machine's kernel to test against, in namespaces of its own:
//
//   host-1 (eth0 192.0.2.1/24) --veth-- router (192.0.2.254; 198.51.100.1 behind it)
//
// Include before tests/support/catch.h.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/ports/host_stack.h"
#include "real/base/netns.h"
#include "real/netlink/links.h"

namespace overlab::test {

struct KernelHost {
    real::Netns netns, router;

    /// Errors: those of Netns::create (unsupported: a test skips with the message).
    [[nodiscard]] static Result<KernelHost> make() {
        OVERLAB_TRY(real::Netns netns, real::Netns::create());
        OVERLAB_TRY(real::Netns router, real::Netns::create());
        KernelHost host{std::move(netns), std::move(router)};
        OVERLAB_TRY(real::Links here, real::Links::open(host.netns));
        OVERLAB_TRY(real::Links there, real::Links::open(host.router));
        std::vector<Result<void>> steps;
        steps.push_back(
            here.add_veth({"eth0", {0x020000000001}, 1500}, {"eth0", {}, 1500}, host.router));
        steps.push_back(here.set_up("eth0", true));
        steps.push_back(there.set_up("eth0", true));
        steps.push_back(here.add_address("eth0", {0xc0000201}, 24));
        steps.push_back(there.add_address("eth0", {0xc00002fe}, 24));
        const std::vector<real::NextHop> through = {{"eth0", Ipv4Address{0xc00002fe}}};
        steps.push_back(here.set_route(Ipv4Prefix::of({0xc6336400}, 24), through));
        for (const Result<void>& step : steps) {
            if (!step) return std::unexpected(step.error());
        }
        return host;
    }

    [[nodiscard]] static HostFacts facts() {
        return {.name = "host-1",
                .external_link = "eth0",
                .external_address = {0xc0000201},
                .external_mtu = 1500};
    }
};

}  // namespace overlab::test

/// In a TEST_CASE: `OVERLAB_KERNEL_HOST(host)` makes one, or leaves the test with the reason.
#define OVERLAB_KERNEL_HOST(name)                                                        \
    auto name##_made = ::overlab::test::KernelHost::make();                              \
    if (!name##_made && name##_made.error().kind == ::overlab::ErrorKind::unsupported) { \
        WARN("skipped: " << name##_made.error().what);                                   \
        return;                                                                          \
    }                                                                                    \
    if (!name##_made) FAIL(name##_made.error().what);                                    \
    ::overlab::test::KernelHost& name = *name##_made
