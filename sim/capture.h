// Captures: what a sniffer on a link would see, as pcapng. Aggregates are spelled out into their
// real packets, each at its own time; transport checksums are filled in as the offloading NIC
// would; ESP is encrypted with the run's keys. So the simulation itself moves no payload and
// computes no checksum that nobody looks at.
//
// Left zero on purpose, as Linux does: the outer UDP checksum of ESP in UDP (RFC 3948). Left out:
// an ESP packet that a router has fragmented is shown with its payload in clear
// (docs/limitations.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"
#include "sim/esp_cipher.h"
#include "sim/link.h"

namespace overlab::sim {

/// Every key of the run, kept after an SA is gone so that late packets can still be sealed and
/// read.
class EspKeyRing {
   public:
    void add(const SaRow& sa, const EspKey& key);
    [[nodiscard]] const EspKey* find(Ipv4Address destination, std::uint32_t spi) const;
    /// Lines of Wireshark's esp_sa table, ascending by destination and SPI.
    [[nodiscard]] std::string wireshark_table() const;

   private:
    struct Known {
        Ipv4Address source;
        EspKey key;
    };
    std::map<std::pair<Ipv4Address, std::uint32_t>, Known> keys_;
};

/// Calls `each` with every real packet of `frame` from data() on, as bytes on the wire, in order.
void real_packets(const Frame& frame, const EspKeyRing& keys,
                  const std::function<void(std::span<const std::uint8_t> bytes)>& each);

/// One link's capture: both directions in one file, in time order.
class LinkCapture final : public LinkTap {
   public:
    /// Errors: unavailable (the file cannot be made, with errno).
    [[nodiscard]] static Result<std::unique_ptr<LinkCapture>> open(
        const std::filesystem::path& file, const std::string& link_name, const Engine& engine,
        const EspKeyRing& keys);

    void sent(const Frame& frame, std::int64_t start_ns, std::uint64_t time_per_byte,
              bool forward) override;

    /// Writes what is pending. Errors: unavailable (disk full, with errno).
    [[nodiscard]] Result<void> close();

   private:
    struct Pending {
        std::int64_t time_ns;
        std::uint64_t sequence;
        bool forward;
        std::vector<std::uint8_t> bytes;
        friend bool operator>(const Pending& a, const Pending& b) {
            return std::pair(a.time_ns, a.sequence) > std::pair(b.time_ns, b.sequence);
        }
    };

    LinkCapture(std::ofstream file, std::string path, const Engine& engine, const EspKeyRing& keys);
    void write_until(std::int64_t time_ns);
    void flush();

    std::ofstream file_;
    std::string path_;
    const Engine* engine_;
    const EspKeyRing* keys_;
    std::vector<std::uint8_t> buffer_;
    std::priority_queue<Pending, std::vector<Pending>, std::greater<>> pending_;
    std::uint64_t sequence_ = 0;
};

}  // namespace overlab::sim
