#include "sim/stream.h"

#include <algorithm>
#include <utility>

#include "models/net/flow_hash.h"
#include "sim/stream_connection.h"

namespace overlab::sim {
namespace {

/// Two full aggregates: what keeps a link busy while the next one is made.
constexpr std::uint32_t host_queue_bytes = 128U << 10;
/// Frames that the host drops give their bytes back without a word; this looks after them.
constexpr Duration resume_interval = milliseconds(10);

}  // namespace

std::uint64_t StreamHost::Key::packed() const {
    return std::uint64_t{remote.address.bits} << 32 | std::uint64_t{remote.port} << 16 | local_port;
}

StreamHost::StreamHost(HostSockets& sockets, Runtime& runtime, StreamHandler& handler,
                       StreamOptions options)
    : sockets_(sockets),
      runtime_(runtime),
      handler_(handler),
      options_(options),
      sweep_(runtime),
      budget_(std::make_shared<TxBudget>()),
      resume_(runtime),
      next_port_(options.first_port) {
    CHECK(options_.window_bytes >= 1U << 16 && options_.window_bytes <= 1U << 20);
    CHECK(options_.first_port > 0);
    budget_->drained = [this] { resume(); };
}

StreamHost::~StreamHost() {
    budget_->drained = nullptr;
    for (const auto& connection : slots_) {
        if (connection == nullptr) continue;
        connection->send_reset();
        connection->stop();
        if (connection->key().active) ended_ports_.push_back(connection->key().local_port);
    }
    for (const std::uint16_t port : ended_ports_) sockets_.bind(Transport::tcp, port, {});
    for (const std::uint16_t port : listening_) sockets_.bind(Transport::tcp, port, {});
}

void StreamHost::listen(std::uint16_t port) {
    listening_.push_back(port);
    bind(port);
}

void StreamHost::bind(std::uint16_t port) {
    sockets_.bind(Transport::tcp, port, [this, port](FramePtr frame, Endpoint from) {
        on_frame(std::move(frame), from, port);
    });
}

StreamId StreamHost::connect(Endpoint to) {
    const Key key{to, take_port(), true};
    bind(key.local_port);
    StreamConnection& connection = open(key);
    connection.start();
    return connection.id();
}

std::uint16_t StreamHost::take_port() {
    const auto in_use = [this](std::uint16_t port) {
        const auto uses = [port](const auto& c) { return c && c->key().local_port == port; };
        return std::any_of(slots_.begin(), slots_.end(), uses) ||
               std::find(ended_ports_.begin(), ended_ports_.end(), port) != ended_ports_.end();
    };
    for (std::uint16_t tries = 0;; ++tries) {
        CHECK(tries < 0xffff);
        const std::uint16_t port = next_port_;
        next_port_ = port == 0xffff ? options_.first_port : static_cast<std::uint16_t>(port + 1);
        if (!in_use(port)) return port;
    }
}

StreamConnection& StreamHost::open(Key key) {
    std::uint32_t slot = 0;
    if (free_slots_.empty()) {
        slot = static_cast<std::uint32_t>(slots_.size());
        slots_.emplace_back();
    } else {
        slot = free_slots_.back();
        free_slots_.pop_back();
    }
    const StreamId id{std::uint64_t{++last_serial_} << 32 | slot};
    slots_[slot] = std::make_unique<StreamConnection>(*this, key, id);
    CHECK(slot_of_key_.put(key.packed(), slot));
    ++live_;
    return *slots_[slot];
}

StreamConnection* StreamHost::find(StreamId stream) const {
    const auto slot = static_cast<std::uint32_t>(stream.value);
    if (slot >= slots_.size() || slots_[slot] == nullptr) return nullptr;
    return slots_[slot]->id() == stream ? slots_[slot].get() : nullptr;
}

StreamConnection* StreamHost::find(Key key) const {
    const std::uint32_t* slot = slot_of_key_.find(key.packed());
    return slot == nullptr ? nullptr : slots_[*slot].get();
}

void StreamHost::forget(StreamConnection& connection) {
    const auto slot = static_cast<std::uint32_t>(connection.id().value);
    CHECK(slot_of_key_.erase(connection.key().packed()));
    if (connection.key().active) ended_ports_.push_back(connection.key().local_port);
    ended_.push_back(std::move(slots_[slot]));
    free_slots_.push_back(slot);
    --live_;
    if (!sweep_.armed()) sweep_.start({}, [this] { sweep(); });
}

void StreamHost::sweep() {
    ended_.clear();
    for (const std::uint16_t port : std::exchange(ended_ports_, {})) {
        sockets_.bind(Transport::tcp, port, {});
    }
}

bool StreamHost::send(StreamId stream, StreamMessage message) {
    CHECK(message.bytes > 0);
    StreamConnection* const connection = find(stream);
    if (connection == nullptr || !connection->accepts_messages()) return false;
    ++counters_.messages_sent;
    connection->send(std::move(message));
    return true;
}

std::uint64_t StreamHost::unacknowledged(StreamId stream) const {
    const StreamConnection* const connection = find(stream);
    return connection == nullptr ? 0 : connection->unacknowledged();
}

void StreamHost::close(StreamId stream) {
    if (StreamConnection* const connection = find(stream)) connection->finish();
}

void StreamHost::reset(StreamId stream) {
    StreamConnection* const connection = find(stream);
    if (connection == nullptr) return;
    connection->send_reset();
    connection->stop();
    forget(*connection);
}

void StreamHost::on_frame(FramePtr frame, Endpoint from, std::uint16_t local_port) {
    const auto segment = TcpSegment::decode(*frame);
    if (!segment) return;
    ++counters_.frames_received;
    const Key key{from, local_port, false};
    const bool opens = segment->has(TcpHeader::syn) && !segment->has(TcpHeader::ack);
    StreamConnection* connection = find(key);
    if (connection != nullptr && opens && !connection->same_peer(segment->header.sequence)) {
        connection->replaced();  // the peer began anew from the same port
        connection = nullptr;
    }
    if (connection == nullptr) {
        const auto listens = std::find(listening_.begin(), listening_.end(), local_port);
        if (!opens || listens == listening_.end()) {
            refuse(*segment, *frame, key);
            return;
        }
        connection = &open(key);
    }
    connection->receive(*segment, *frame);
}

/// RFC 9293 §3.10.7.1: what belongs to no connection is answered with a reset, a reset with
/// nothing.
void StreamHost::refuse(const TcpSegment& segment, const Frame& frame, Key key) {
    if (segment.has(TcpHeader::rst)) return;
    TcpSegment answer;
    answer.header.source_port = key.local_port;
    answer.header.destination_port = key.remote.port;
    answer.timestamp = timestamp();
    answer.timestamp_echo = segment.timestamp;
    if (segment.has(TcpHeader::ack)) {
        answer.header.flags = TcpHeader::rst;
        answer.header.sequence = segment.header.acknowledgement;
    } else {
        answer.header.flags = TcpHeader::rst | TcpHeader::ack;
        const std::uint32_t marks =
            (segment.has(TcpHeader::syn) ? 1U : 0U) + (segment.has(TcpHeader::fin) ? 1U : 0U);
        answer.header.acknowledgement = segment.header.sequence + frame.payload_bytes + marks;
    }
    auto out = std::make_unique<Frame>();
    answer.prepend_to(*out);
    transmit(std::move(out), key);
}

void StreamHost::transmit(FramePtr frame, Key key) {
    frame->flow_hash =
        flow_hash(sockets_.address(), key.remote.address, static_cast<std::uint8_t>(Transport::tcp),
                  key.local_port, key.remote.port);
    frame->outer_hash = frame->flow_hash;
    ++counters_.frames_sent;
    if (frame->payload_bytes > 0) {
        frame->budget_bytes = static_cast<std::uint32_t>(frame->total_size());
        frame->budget = budget_;
        budget_->queued_bytes += frame->budget_bytes;
    }
    sockets_.send(std::move(frame), Transport::tcp, key.remote);
}

bool StreamHost::throttle(StreamConnection& connection) {
    if (budget_->queued_bytes < host_queue_bytes) return false;
    if (connection.wait_for_turn()) throttled_.push_back(connection.id());
    if (!resume_.armed()) resume_.start(resume_interval, [this] { resume(); });
    return true;
}

void StreamHost::resume() {
    while (!throttled_.empty() && budget_->queued_bytes < host_queue_bytes) {
        const StreamId next = throttled_.front();
        throttled_.pop_front();
        if (StreamConnection* const connection = find(next)) connection->take_turn();
    }
    if (!throttled_.empty() && !resume_.armed()) {
        resume_.start(resume_interval, [this] { resume(); });
    }
}

std::uint32_t StreamHost::timestamp() const {
    // Never 0 in practice: an echo of 0 says that there is nothing to echo.
    return static_cast<std::uint32_t>(runtime_.now().ns / 1'000'000 + 1);
}

}  // namespace overlab::sim
