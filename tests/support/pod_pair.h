// PodPair: two network namespaces joined by a veth, as two pods with a perfect network between
// them.
//
//   a 198.51.100.1 --- eth0 === eth0 --- 198.51.100.2 b
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "models/measure/run_report.h"
#include "models/scenario/scenario.h"
#include "real/base/event_loop.h"
#include "real/base/netns.h"
#include "real/netlink/links.h"
#include "real/traffic/real_traffic.h"
#include "tests/support/temp_folder.h"

namespace overlab::test {

class PodPair {
   public:
    static constexpr Ipv4Address address_a{0xc6336401}, address_b{0xc6336402};

    /// Why there can be none here; empty if there can.
    static std::string obstacle() {
        const auto netns = real::Netns::create();
        return netns ? "" : netns.error().what;
    }

    explicit PodPair(std::uint32_t mtu = 1500)
        : a(real::Netns::create().value()),
          b(real::Netns::create().value()),
          links_a(real::Links::open(a).value()),
          links_b(real::Links::open(b).value()) {
        must(links_a.add_veth({"eth0", {}, mtu}, {"eth0", {}, mtu}, b));
        must(links_a.add_address("eth0", address_a, 24));
        must(links_b.add_address("eth0", address_b, 24));
        must(links_a.set_up("eth0", true));
        must(links_b.set_up("eth0", true));
    }

    /// Cuts the wire, or mends it.
    void set_wire(bool up) { must(links_b.set_up("eth0", up)); }

    [[nodiscard]] real::TrafficEnd end_a() const {
        return {.netns = &a, .pod = "a", .host = "h1", .address = [] { return address_a; }};
    }
    [[nodiscard]] real::TrafficEnd end_b() const {
        return {.netns = &b, .pod = "b", .host = "h2", .address = [] { return address_b; }};
    }
    [[nodiscard]] real::RealTrafficSetup setup(Duration run_end, std::size_t index = 0) const {
        return {.from = end_a(),
                .to = end_b(),
                .index = index,
                .run_end = run_end,
                .series_step = milliseconds(100),
                .overlay_mtu = 1500,
                .folder = folder.path()};
    }

    real::Netns a, b;
    real::Links links_a, links_b;
    TempFolder folder;
    real::EventLoop loop;

   private:
    static void must(const Result<void>& outcome) {
        if (!outcome) throw std::runtime_error(outcome.error().what);
    }
};

}  // namespace overlab::test

/// Leaves the test, with the reason, where namespaces cannot be made.
#define OVERLAB_POD_PAIR(name)                                                                \
    if (const std::string why_not = ::overlab::test::PodPair::obstacle(); !why_not.empty()) { \
        WARN("skipped: " << why_not);                                                         \
        return;                                                                               \
    }                                                                                         \
    ::overlab::test::PodPair name
