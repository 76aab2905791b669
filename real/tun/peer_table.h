// PeerTable: which underlay endpoint carries which overlay subnet, by longest prefix. One thread
// writes; the data path's threads read while it does.
//
// Each reading thread keeps the answers for the destinations it saw last, stamped with the table's
// version: one atomic load a packet says that they still hold. Else it asks the table under a
// shared lock. Unlike with snapshots, a change costs the same whatever the table's size, so that
// thousands of peers can come one by one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "models/base/flat_hash.h"
#include "models/forwarding/prefix_map.h"
#include "real/tun/endpoint.h"

namespace overlab::real {

class PeerTable {
   public:
    /// Adds or replaces; readers see it with their next question.
    void put(Ipv4Prefix subnet, Endpoint to);
    void erase(Ipv4Prefix subnet);  ///< absent: nothing happens
    [[nodiscard]] std::vector<std::pair<Ipv4Prefix, Endpoint>> all() const;  ///< in prefix order

    class Reader;

   private:
    void count_sender(Endpoint peer, int change);

    mutable std::shared_mutex mutex_;
    std::atomic<std::uint64_t> version_ = 1;
    PrefixMap<Endpoint> peers_;
    FlatHash<std::uint64_t, std::uint32_t> senders_;  ///< by Endpoint::key: subnets it has
};

/// Of one thread.
class PeerTable::Reader {
   public:
    explicit Reader(const PeerTable& table) : table_(table) {}

    /// Where a packet to `destination` goes; empty if nobody has it.
    [[nodiscard]] std::optional<Endpoint> find(Ipv4Address destination);
    /// Whether some peer sends from there.
    [[nodiscard]] bool knows(Endpoint sender);

   private:
    struct Answer {
        std::uint64_t version = 0;  ///< of the table; 0: none yet
        Ipv4Address destination;
        std::optional<Endpoint> to;
    };
    static constexpr std::size_t cached_answers = 256;  // A power of two.

    const PeerTable& table_;
    std::array<Answer, cached_answers> answers_{};
    std::uint64_t sender_version_ = 0;
    Endpoint last_sender_;
    bool last_sender_known_ = false;
};

}  // namespace overlab::real
