// UnderlaySpace: the switches and the router of a cross-check's world:
//
//   host 0 -- h0 \ .
//   host 1 -- h1 -- b0 -- r0 --- s0 \ .
//   host 2 -- h2 -- b1 -- r1 --- s1 -- router
//
// One namespace holds all bridges, another is the router. Links have no rate and no delay.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "models/base/error.h"
#include "models/crosscheck/kernel_side.h"
#include "real/crosscheck/space.h"

namespace overlab::real {

/// The router's address on a segment: the last usable one.
[[nodiscard]] Ipv4Address router_on(const CrossSegment& segment);

class UnderlaySpace {
   public:
    [[nodiscard]] static Result<UnderlaySpace> make();

    /// Bridges and the router for these segments, no others.
    [[nodiscard]] Result<void> arrange(const std::vector<CrossSegment>& segments);
    /// A host's port among the switches becomes one of the segment's bridge.
    [[nodiscard]] Result<void> attach(const std::string& port, std::size_t segment);
    /// Which hosts have which address.
    [[nodiscard]] Result<void> forget_neighbours();

    [[nodiscard]] Space& switches() { return *switches_; }

   private:
    struct Segment {
        CrossSegment setting;
        bool in_use = false;
    };

    UnderlaySpace(std::unique_ptr<Space> switches, std::unique_ptr<Space> router)
        : switches_(std::move(switches)), router_(std::move(router)) {}
    [[nodiscard]] Result<void> add_segment(std::size_t index);
    [[nodiscard]] Result<void> release(std::size_t index);
    [[nodiscard]] Result<void> configure(std::size_t index, const CrossSegment& setting);

    std::unique_ptr<Space> switches_, router_;
    std::vector<Segment> segments_;
};

}  // namespace overlab::real
