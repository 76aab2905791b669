#include "sim/frame.h"

#include <cstddef>
#include <vector>

#include "models/net/bytes.h"

namespace overlab::sim {
namespace {

// Frames are made and freed millions of times a second and all of one size: a free list beats
// malloc. The simulator is single-threaded (engine.h), so one list serves.
class FramePool {
   public:
    ~FramePool() {
        for (void* block : free_) ::operator delete(block);
    }
    void* take(std::size_t size) {
        if (free_.empty()) return ::operator new(size);
        void* block = free_.back();
        free_.pop_back();
        return block;
    }
    void give(void* block) { free_.push_back(block); }

   private:
    std::vector<void*> free_;
};

FramePool& pool() {
    static FramePool the_pool;
    return the_pool;
}

constexpr std::uint8_t protocol_tcp = 6;
constexpr std::uint8_t protocol_udp = 17;
constexpr std::uint8_t tcp_fin_psh = 0x09;
constexpr std::size_t esp_iv_bytes = 8;

std::size_t ip_header_bytes(const std::uint8_t* ip) { return std::size_t{ip[0] & 0x0fU} * 4; }

void add_to_ip_id(std::uint8_t* ip, std::uint32_t n) {
    store_be16(ip + 4, static_cast<std::uint16_t>(load_be16(ip + 4) + n));
}

void set_ip_length(std::uint8_t* ip, std::uint32_t bytes) {
    CHECK(bytes <= 0xffff);
    store_be16(ip + 2, static_cast<std::uint16_t>(bytes));
    if (ip[9] == protocol_udp && (load_be16(ip + 6) & 0x1fffU) == 0) {
        const std::size_t header = ip_header_bytes(ip);
        store_be16(ip + header + 4, static_cast<std::uint16_t>(bytes - header));
    }
    write_ipv4_header_checksum(ip);
}

/// Gives a socket's bytes back when they have left the host.
class BudgetRelease final : public Action {
   public:
    BudgetRelease(std::shared_ptr<TxBudget> budget, std::uint32_t bytes)
        : budget_(std::move(budget)), bytes_(bytes) {}
    void fire() override {
        const std::unique_ptr<BudgetRelease> self(this);
        budget_->queued_bytes -= bytes_;
        if (budget_->drained) budget_->drained();
    }
    void discard() override { delete this; }

   private:
    std::shared_ptr<TxBudget> budget_;
    std::uint32_t bytes_;
};

}  // namespace

void* Frame::operator new(std::size_t size) { return pool().take(size); }
void Frame::operator delete(void* memory) { pool().give(memory); }

void Frame::deliver_at(Engine& engine, FramePtr frame, std::int64_t time_ns, FrameSink& to,
                       std::uint32_t port, std::uint32_t context) {
    frame->sink_ = &to;
    frame->port_ = port;
    engine.schedule(time_ns, *frame.release(), context);
}

Frame::Frame(const Frame& other)
    : bytes(other.bytes),
      begin(other.begin),
      inner_ip_at(other.inner_ip_at),
      encapsulation(other.encapsulation),
      has_ethernet(other.has_ethernet),
      segments(other.segments),
      segment_payload(other.segment_payload),
      trailer(other.trailer),
      last_trailer(other.last_trailer),
      payload_bytes(other.payload_bytes),
      payload(other.payload),
      flow_hash(other.flow_hash),
      outer_hash(other.outer_hash),
      flow_id(other.flow_id),
      tail_ns(other.tail_ns),
      sent_ns(other.sent_ns),
      cargo(other.cargo) {}

void Frame::refresh_lengths() {
    const std::uint32_t inner_bytes =
        static_cast<std::uint32_t>(capacity - inner_ip_at) + first_payload();
    if (inner_ip_at < capacity) set_ip_length(inner_ip(), inner_bytes);
    if (encapsulation == Encapsulation::none) return;
    const std::uint32_t ethernet = has_ethernet ? 14 : 0;
    set_ip_length(outer_ip(), first_size() - ethernet);
}

FramePtr Frame::split_front(std::uint32_t count) {
    CHECK(count > 0 && count < segments);
    auto front = std::make_unique<Frame>(*this);
    const std::uint32_t cut = count * segment_payload;
    front->segments = static_cast<std::uint16_t>(count);
    front->payload_bytes = cut;
    front->last_trailer = trailer;
    if (payload != nullptr) {
        front->payload = payload->CreateFragment(0, cut);
        payload = payload->CreateFragment(cut, payload_bytes - cut);
    }
    if (count == 1) front->refresh_lengths();

    segments = static_cast<std::uint16_t>(segments - count);
    payload_bytes -= cut;
    std::uint8_t* inner = inner_ip();
    add_to_ip_id(inner, count);
    if (inner[9] == protocol_tcp) {
        std::uint8_t* sequence = inner + ip_header_bytes(inner) + 4;
        store_be32(sequence, load_be32(sequence) + cut);
        front->inner_ip()[ip_header_bytes(inner) + 13] &= static_cast<std::uint8_t>(~tcp_fin_psh);
    }
    if (encapsulation != Encapsulation::none) add_to_ip_id(outer_ip(), count);
    if (encapsulation == Encapsulation::esp || encapsulation == Encapsulation::esp_in_udp) {
        std::uint8_t* esp_sequence = inner - esp_iv_bytes - 4;
        store_be32(esp_sequence, load_be32(esp_sequence) + count);
        std::uint8_t* iv_low = inner - 4;  // the IV repeats the sequence number (sim/esp_cipher.h)
        store_be32(iv_low, load_be32(esp_sequence));
    }
    refresh_lengths();
    return front;
}

void Frame::release_budget(Engine& engine, std::int64_t when_ns) {
    if (budget == nullptr) return;
    engine.schedule(when_ns, *new BudgetRelease(std::move(budget), budget_bytes));
    budget = nullptr;
}

void Frame::fire() { sink_->receive(FramePtr(this), port_); }
void Frame::discard() { delete this; }

}  // namespace overlab::sim
