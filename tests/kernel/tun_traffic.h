// Traffic whose arrival is checked byte by byte, for kernel tests of the tunnel.
#pragma once

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "tests/kernel/tun_lab.h"
#include "tests/kernel/tun_sockets.h"

namespace overlab::test {

/// An endless stream of bytes that both ends can make (xorshift64*).
class ByteStream {
   public:
    explicit ByteStream(std::uint64_t seed) : state_(seed * 2 + 1) {}

    void fill(std::span<std::uint64_t> words) {
        for (std::uint64_t& word : words) {
            state_ ^= state_ >> 12;
            state_ ^= state_ << 25;
            state_ ^= state_ >> 27;
            word = state_ * 0x2545f4914f6cdd1dU;
        }
    }

   private:
    std::uint64_t state_;
};

constexpr std::size_t chunk_words = 16384;

inline bool send_all(const real::Fd& socket, std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

inline bool receive_all(const real::Fd& socket, std::span<std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
        if (got <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    return true;
}

inline std::span<std::uint8_t> bytes_of(std::vector<std::uint64_t>& words) {
    return {reinterpret_cast<std::uint8_t*>(words.data()), words.size() * sizeof(std::uint64_t)};
}

/// Sends `chunks` of 128 KiB over a connection and compares what arrives. True if all of it did,
/// unharmed, and then the end.
inline bool transfer(const TcpPair& pair, std::size_t chunks, std::uint64_t seed = 1) {
    std::thread sender([&] {
        ByteStream stream(seed);
        std::vector<std::uint64_t> words(chunk_words);
        for (std::size_t i = 0; i < chunks; ++i) {
            stream.fill(words);
            if (!send_all(pair.client, bytes_of(words))) break;
        }
        ::shutdown(pair.client.get(), SHUT_WR);
    });
    ByteStream stream(seed);
    std::vector<std::uint64_t> expected(chunk_words), got(chunk_words);
    bool right = true;
    for (std::size_t i = 0; i < chunks && right; ++i) {
        stream.fill(expected);
        right = receive_all(pair.server, bytes_of(got)) && got == expected;
    }
    char more = 0;
    right = right && ::recv(pair.server.get(), &more, 1, 0) == 0;
    if (!right) ::shutdown(pair.server.get(), SHUT_RDWR);
    sender.join();
    return right;
}

/// As transfer(), from one host's overlay address to the other's.
inline bool transfer(const TunLab& lab, std::size_t from, std::size_t chunks,
                     std::uint16_t port = 5001) {
    const std::size_t to = 1 - from;
    return transfer(connect_tcp(lab.netns(from), lab.netns(to), TunLab::overlay(to), port), chunks,
                    from + 1);
}

/// Two UDP sockets on the overlay, the one on `from` connected to the other host's.
struct UdpPair {
    real::Fd client, server;

    explicit UdpPair(const TunLab& lab, std::uint16_t port = 6001, std::size_t from = 0)
        : client(open_socket(lab.netns(from), SOCK_DGRAM)),
          server(open_socket(lab.netns(1 - from), SOCK_DGRAM, 0, 5)) {
        constexpr int bytes = 4 << 20;
        (void)::setsockopt(server.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
        bind_to(server, TunLab::overlay(1 - from), port);
        connect_to(client, TunLab::overlay(1 - from), port);
    }
};

inline std::vector<std::uint8_t> datagram(std::size_t bytes, std::uint8_t seed) {
    std::vector<std::uint8_t> data(bytes);
    for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::uint8_t>(seed + 31 * i);
    return data;
}

/// The next datagram; empty if none came in time.
inline std::optional<std::vector<std::uint8_t>> receive_datagram(const real::Fd& socket) {
    std::vector<std::uint8_t> data(65536);
    const ssize_t bytes = ::recv(socket.get(), data.data(), data.size(), 0);
    if (bytes < 0) return std::nullopt;
    data.resize(static_cast<std::size_t>(bytes));
    return data;
}

inline bool send_datagram(const real::Fd& socket, std::span<const std::uint8_t> data) {
    return ::send(socket.get(), data.data(), data.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(data.size());
}

/// Whether a datagram gets from the client to the server.
inline bool passes(const UdpPair& pair, std::size_t bytes = 100, std::uint8_t seed = 1) {
    const auto data = datagram(bytes, seed);
    return send_datagram(pair.client, data) && receive_datagram(pair.server) == data;
}

}  // namespace overlab::test

/// In a test case: goes on in a lab, or says why this machine has none and ends the test.
#define TUN_LAB_OR_SKIP                                                   \
    if (const auto why = overlab::test::why_no_tun_lab(); !why.empty()) { \
        WARN("skipped: " << why);                                         \
        return;                                                           \
    }                                                                     \
    static_assert(true)

namespace overlab::test {

inline std::string why_no_tun_lab() {
    const auto netns = real::Netns::create();
    if (!netns) return netns.error().what;
    const real::Fd device(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (!device.valid()) return std::string("/dev/net/tun: ") + std::strerror(errno);
    return {};
}

}  // namespace overlab::test
