#include "sim/capture.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "models/net/bytes.h"
#include "models/net/pcapng.h"
#include "models/net/wire.h"
#include "sim/ip_packet.h"

namespace overlab::sim {
namespace {

constexpr std::size_t buffer_limit = 1 << 20;
constexpr std::uint32_t esp_iv_bytes = 8;

bool is_esp(const Frame& packet) {
    return packet.encapsulation == Encapsulation::esp ||
           packet.encapsulation == Encapsulation::esp_in_udp;
}

bool is_fragment(const std::uint8_t* ip) {
    return (load_be16(ip + ipv4_offset::fragment) & 0x3fffU) != 0;
}

std::vector<std::uint8_t> plain_bytes(const Frame& packet) {
    std::vector<std::uint8_t> bytes(packet.data(), packet.data() + packet.header_bytes());
    bytes.resize(packet.first_size());  // ESP trailer, where there is one, as zeros
    if (packet.payload != nullptr) {
        packet.payload->CopyData(bytes.data() + packet.header_bytes(), packet.payload_bytes);
    }
    return bytes;
}

/// Replaces everything from the ESP header on by its sealed form.
void seal(const Frame& packet, const EspKeyRing& keys, std::vector<std::uint8_t>& bytes) {
    const std::size_t esp_at = static_cast<std::size_t>(packet.inner_ip() - packet.data()) -
                               esp_iv_bytes - EspHeader::bytes;
    const std::size_t inner_at = esp_at + EspHeader::bytes + esp_iv_bytes;
    const std::size_t inner_bytes = bytes.size() - inner_at - packet.last_trailer;
    const Ipv4Address destination{load_be32(packet.outer_ip() + ipv4_offset::destination)};
    const std::uint32_t spi = load_be32(bytes.data() + esp_at);
    const EspKey* key = keys.find(destination, spi);
    if (key == nullptr) return;
    const auto sealed = esp_seal(*key, spi, load_be32(bytes.data() + esp_at + 4),
                                 std::span(bytes).subspan(inner_at, inner_bytes));
    CHECK(esp_at + sealed.size() == bytes.size());
    std::memcpy(bytes.data() + esp_at, sealed.data(), sealed.size());
}

std::vector<std::uint8_t> wire_form(Frame& packet, const EspKeyRing& keys) {
    const bool whole = !is_fragment(packet.outer_ip());  // fragment() has completed the others
    if (whole) complete_checksums(packet);
    std::vector<std::uint8_t> bytes = plain_bytes(packet);
    if (whole && is_esp(packet)) seal(packet, keys, bytes);
    return bytes;
}

}  // namespace

void EspKeyRing::add(const SaRow& sa, const EspKey& key) {
    keys_[{sa.destination, sa.spi}] = {sa.source, key};
}

const EspKey* EspKeyRing::find(Ipv4Address destination, std::uint32_t spi) const {
    const auto found = keys_.find({destination, spi});
    return found == keys_.end() ? nullptr : &found->second.key;
}

std::string EspKeyRing::wireshark_table() const {
    std::string lines;
    for (const auto& [id, known] : keys_) {
        lines += wireshark_esp_sa(known.source, id.first, id.second, known.key) + "\n";
    }
    return lines;
}

void real_packets(const Frame& frame, const EspKeyRing& keys,
                  const std::function<void(std::span<const std::uint8_t> bytes)>& each) {
    auto rest = std::make_unique<Frame>(frame);
    while (rest->segments > 1) {
        const FramePtr first = rest->split_front(1);
        each(wire_form(*first, keys));
    }
    each(wire_form(*rest, keys));
}

Result<std::unique_ptr<LinkCapture>> LinkCapture::open(const std::filesystem::path& file,
                                                       const std::string& link_name,
                                                       const Engine& engine,
                                                       const EspKeyRing& keys) {
    std::ofstream stream(file, std::ios::binary | std::ios::trunc);
    if (!stream) {
        const int error = errno;
        return fail(ErrorKind::unavailable,
                    fmt::format("capture {}: {}", file.string(), std::strerror(error)), error);
    }
    std::unique_ptr<LinkCapture> capture(
        new LinkCapture(std::move(stream), file.string(), engine, keys));
    pcapng::append_section_header(capture->buffer_);
    pcapng::append_interface(capture->buffer_, link_name);
    return capture;
}

LinkCapture::LinkCapture(std::ofstream file, std::string path, const Engine& engine,
                         const EspKeyRing& keys)
    : file_(std::move(file)), path_(std::move(path)), engine_(&engine), keys_(&keys) {}

void LinkCapture::sent(const Frame& frame, std::int64_t start_ns, std::uint64_t time_per_byte,
                       bool forward) {
    std::uint64_t offset_bytes = 0;
    real_packets(frame, *keys_, [&](std::span<const std::uint8_t> bytes) {
        const auto offset_ns = static_cast<std::int64_t>((offset_bytes * time_per_byte) >> 20);
        pending_.push({start_ns + offset_ns, sequence_++, forward, {bytes.begin(), bytes.end()}});
        offset_bytes += wire_bytes(bytes.size());
    });
    write_until(engine_->now_ns());
}

/// Nothing can still be sent that starts before now, so everything up to now is in its final order.
void LinkCapture::write_until(std::int64_t time_ns) {
    while (!pending_.empty() && pending_.top().time_ns <= time_ns) {
        const Pending& next = pending_.top();
        pcapng::append_packet(buffer_, {.time = {next.time_ns},
                                        .direction = next.forward ? pcapng::Direction::outbound
                                                                  : pcapng::Direction::inbound,
                                        .frame = next.bytes});
        pending_.pop();
        if (buffer_.size() >= buffer_limit) flush();
    }
}

void LinkCapture::flush() {
    file_.write(reinterpret_cast<const char*>(buffer_.data()),
                static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
}

Result<void> LinkCapture::close() {
    write_until(engine_->now_ns());
    flush();
    file_.close();
    if (!file_) {
        return fail(ErrorKind::unavailable,
                    fmt::format("capture {}: not written completely (is the disk full?)", path_),
                    errno);
    }
    return {};
}

}  // namespace overlab::sim
