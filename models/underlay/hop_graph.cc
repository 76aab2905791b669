#include "models/underlay/hop_graph.h"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/connected_components.hpp>
#include <boost/pending/queue.hpp>

#include "models/base/check.h"

namespace overlab {
namespace {

using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::undirectedS>;

}  // namespace

struct HopGraph::Impl {
    Graph graph;
};

HopGraph::HopGraph(std::size_t vertex_count, std::span<const std::pair<Vertex, Vertex>> edges) {
    auto impl = std::make_unique<Impl>();
    impl->graph = Graph(vertex_count);
    for (const auto& [a, b] : edges) {
        CHECK(a < vertex_count);
        CHECK(b < vertex_count);
        boost::add_edge(a, b, impl->graph);
    }
    impl_ = std::move(impl);
}

HopGraph::~HopGraph() = default;
HopGraph::HopGraph(HopGraph&&) noexcept = default;
HopGraph& HopGraph::operator=(HopGraph&&) noexcept = default;

std::vector<std::uint32_t> HopGraph::distances(std::span<const Vertex> sources) const {
    const Graph& graph = impl_->graph;
    std::vector<std::uint32_t> hops(boost::num_vertices(graph), unreachable);
    for (const Vertex source : sources) hops.at(source) = 0;
    // breadth_first_visit takes unpainted vertices; breadth_first_search would paint one per call
    // itself but knows a single source only.
    std::vector<boost::default_color_type> colors(hops.size(), boost::white_color);
    const auto color =
        boost::make_iterator_property_map(colors.begin(), boost::get(boost::vertex_index, graph));
    boost::queue<Vertex> queue;
    const auto visitor =
        boost::make_bfs_visitor(boost::record_distances(hops.data(), boost::on_tree_edge()));
    boost::breadth_first_visit(graph, sources.begin(), sources.end(), queue, visitor, color);
    return hops;
}

std::vector<std::size_t> HopGraph::components() const {
    std::vector<std::size_t> component(boost::num_vertices(impl_->graph));
    if (!component.empty()) boost::connected_components(impl_->graph, component.data());
    return component;
}

}  // namespace overlab
