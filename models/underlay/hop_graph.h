// HopGraph: an undirected graph of unit-length edges; distances and components by Boost.Graph
// (vecS, so that vertices are plain indexes and visiting order is insertion order). The one place
// that names Boost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace overlab {

class HopGraph {
   public:
    using Vertex = std::size_t;
    static constexpr std::uint32_t unreachable = std::numeric_limits<std::uint32_t>::max();

    /// Edges name vertices in [0, vertex_count); parallel edges are allowed.
    HopGraph(std::size_t vertex_count, std::span<const std::pair<Vertex, Vertex>> edges);
    ~HopGraph();
    HopGraph(HopGraph&&) noexcept;
    HopGraph& operator=(HopGraph&&) noexcept;

    /// Hops from the nearest of `sources` to every vertex, or `unreachable`.
    [[nodiscard]] std::vector<std::uint32_t> distances(std::span<const Vertex> sources) const;

    /// The connected component of every vertex, numbered by first vertex.
    [[nodiscard]] std::vector<std::size_t> components() const;

   private:
    struct Impl;
    std::unique_ptr<const Impl> impl_;
};

}  // namespace overlab
