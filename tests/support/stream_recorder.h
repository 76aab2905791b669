// StreamRecorder: a StreamHandler that writes down what it hears; text messages; TCP frames as
// text.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/stream.h"
#include "sim/tcp_segment.h"

namespace overlab::test {

inline sim::StreamMessage text_message(std::string text, std::uint32_t bytes) {
    return {bytes, std::make_shared<const std::string>(std::move(text))};
}

class StreamRecorder final : public sim::StreamHandler {
   public:
    sim::StreamHost* host = nullptr;
    bool echo = false;  ///< answer every message with itself
    std::vector<sim::StreamId> opened;
    std::vector<std::string> texts;
    std::vector<std::uint32_t> sizes;
    std::vector<sim::StreamEnd> ended;
    std::size_t drained = 0;

    void stream_opened(sim::StreamId stream) override { opened.push_back(stream); }
    void stream_message(sim::StreamId stream, const sim::StreamMessage& message) override {
        texts.push_back(*static_cast<const std::string*>(message.cargo.get()));
        sizes.push_back(message.bytes);
        if (echo) host->send(stream, message);
    }
    void stream_drained(sim::StreamId) override { ++drained; }
    void stream_ended(sim::StreamId, sim::StreamEnd why) override { ended.push_back(why); }
};

/// `PSH ACK seq 1 ack 101 len 3000 in 3 segments`; sequence numbers relative to each side's SYN.
class FrameText {
   public:
    std::string operator()(const sim::Frame& frame, bool from_client) {
        const auto segment = sim::TcpSegment::decode(frame);
        if (!segment) return "no TCP";
        const TcpHeader& tcp = segment->header;
        std::string text;
        const auto flag = [&](std::uint8_t bit, const char* name) {
            if (segment->has(bit)) text += std::string(text.empty() ? "" : " ") + name;
        };
        flag(TcpHeader::syn, "SYN");
        flag(TcpHeader::fin, "FIN");
        flag(TcpHeader::rst, "RST");
        flag(TcpHeader::psh, "PSH");
        flag(TcpHeader::ack, "ACK");
        if (segment->has(TcpHeader::syn)) first_[from_client] = tcp.sequence;
        const std::uint32_t ack =
            segment->has(TcpHeader::ack) ? tcp.acknowledgement - first_[!from_client] : 0;
        text += fmt::format(" seq {} ack {} len {}", tcp.sequence - first_[from_client], ack,
                            frame.payload_bytes);
        if (segment->mss != 0) text += fmt::format(" mss {}", segment->mss);
        if (frame.segments > 1) text += fmt::format(" in {} segments", frame.segments);
        return text;
    }

   private:
    std::uint32_t first_[2] = {0, 0};
};

}  // namespace overlab::test
