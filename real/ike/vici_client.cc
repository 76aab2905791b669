#include "real/ike/vici_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "real/base/event_loop.h"

namespace overlab::real {
namespace {

/// "The maximum segment length is currently limited to 512KB of data."
constexpr std::size_t packet_limit = 512 << 10;
constexpr std::size_t length_size = 4;

std::unexpected<Error> lost(std::string_view what, int code = 0) {
    return fail(ErrorKind::unavailable, fmt::format("ike daemon: {}", what), code);
}

std::unexpected<Error> lost_with_errno() {
    const int code = errno;
    return lost(std::strerror(code), code);
}

}  // namespace

Result<ViciClient> ViciClient::connect(const std::filesystem::path& socket, Duration timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof address.sun_path) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: a socket's path has at most {} bytes", path,
                                sizeof address.sun_path - 1));
    }
    std::ranges::copy(path, address.sun_path);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return lost_with_errno();
    // connect() waits for a place in the listener's queue; this bounds it (unix(7)).
    const timeval limit{.tv_sec = timeout.ns / 1'000'000'000,
                        .tv_usec = timeout.ns % 1'000'000'000 / 1000};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int code = errno;
        return lost(fmt::format("{}: {}", path, std::strerror(code)), code);
    }
    return ViciClient(std::move(fd), timeout);
}

Result<ViciSection> ViciClient::request(std::string_view command, const ViciSection& arguments) {
    OVERLAB_TRY(const std::string message, encode_vici(arguments));
    OVERLAB_TRY(const Received answer, exchange(Packet::request, command, message, nullptr));
    return decode_vici(answer.message);
}

Result<void> ViciClient::command(std::string_view command, const ViciSection& arguments) {
    OVERLAB_TRY(const ViciSection answer, request(command, arguments));
    if (answer.value("success") == "yes") return {};
    return fail(ErrorKind::invalid_argument,
                fmt::format("ike daemon: {}: {}", command, answer.value("errmsg")));
}

Result<std::vector<ViciSection>> ViciClient::stream(std::string_view command,
                                                    std::string_view event,
                                                    const ViciSection& arguments) {
    OVERLAB_TRY(const std::string message, encode_vici(arguments));
    if (auto done = listen(Packet::register_event, event); !done) {
        return std::unexpected(done.error());
    }
    std::vector<ViciSection> events;
    const auto answer = exchange(Packet::request, command, message, &events);
    if (!answer && !usable()) return std::unexpected(answer.error());
    if (auto done = listen(Packet::unregister_event, event); !done) {
        return std::unexpected(done.error());
    }
    if (!answer) return std::unexpected(answer.error());
    return events;
}

Result<void> ViciClient::listen(Packet type, std::string_view event) {
    const auto answer = exchange(type, event, {}, nullptr);
    if (!answer) return std::unexpected(answer.error());
    return {};
}

Result<ViciClient::Received> ViciClient::exchange(Packet type, std::string_view name,
                                                  std::string_view message,
                                                  std::vector<ViciSection>* events) {
    if (!usable()) return lost("the connection is closed");
    std::string body{static_cast<char>(type), static_cast<char>(name.size())};
    body.append(name).append(message);
    if (name.size() > vici_name_limit || body.size() > packet_limit) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("vici {}: a packet has at most {} bytes", name, packet_limit));
    }
    std::string packet(length_size, '\0');
    for (std::size_t i = 0; i < length_size; ++i) {
        packet[i] = static_cast<char>(body.size() >> (8 * (length_size - 1 - i)) & 0xffU);
    }
    packet += body;

    const std::int64_t deadline = EventLoop::monotonic_ns() + timeout_.ns;
    auto sent = send(packet, deadline);
    Result<Received> answer = sent ? receive_packet(deadline) : std::unexpected(sent.error());
    while (answer && answer->type == Packet::event) {
        auto event = decode_vici(answer->message);
        if (event && events != nullptr) events->push_back(std::move(*event));
        answer = event ? receive_packet(deadline) : std::unexpected(event.error());
    }
    if (!answer) {
        socket_.close();
        return answer;
    }
    if (answer->type == Packet::unknown_command || answer->type == Packet::unknown_event) {
        return fail(ErrorKind::unsupported, fmt::format("ike daemon: does not know {}", name));
    }
    const bool wants_response = type == Packet::request;
    if (answer->type != (wants_response ? Packet::response : Packet::event_confirmed)) {
        socket_.close();
        return lost("answers something else than was asked");
    }
    return answer;
}

Result<ViciClient::Received> ViciClient::receive_packet(std::int64_t deadline_ns) {
    OVERLAB_TRY(const std::string header, receive(length_size, deadline_ns));
    std::size_t length = 0;
    for (const char byte : header) length = length << 8U | static_cast<std::uint8_t>(byte);
    if (length == 0 || length > packet_limit) {
        return lost(fmt::format("a packet of {} bytes, 1 to {} are allowed", length, packet_limit));
    }
    OVERLAB_TRY(const std::string body, receive(length, deadline_ns));
    Received received{.type = static_cast<Packet>(body[0]), .name = {}, .message = {}};
    std::size_t begin = 1;
    if (received.type == Packet::event) {
        const std::size_t name_size = length > 1 ? static_cast<std::uint8_t>(body[1]) : length;
        begin = 2 + name_size;
        if (begin > length) return lost("an event cut off in its name");
        received.name = body.substr(2, name_size);
    }
    received.message = body.substr(begin);
    return received;
}

Result<void> ViciClient::send(std::string_view bytes, std::int64_t deadline_ns) {
    while (!bytes.empty()) {
        const ssize_t count =
            ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            if (auto ready = wait(POLLOUT, deadline_ns); !ready) return ready;
        } else if (errno != EINTR) {
            return lost_with_errno();
        }
    }
    return {};
}

Result<std::string> ViciClient::receive(std::size_t size, std::int64_t deadline_ns) {
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        const ssize_t count = ::recv(socket_.get(), bytes.data() + have, size - have, MSG_DONTWAIT);
        if (count > 0) {
            have += static_cast<std::size_t>(count);
        } else if (count == 0) {
            return lost("it closed the connection");
        } else if (errno == EAGAIN) {
            if (auto ready = wait(POLLIN, deadline_ns); !ready) {
                return std::unexpected(ready.error());
            }
        } else if (errno != EINTR) {
            return lost_with_errno();
        }
    }
    return bytes;
}

Result<void> ViciClient::wait(short events, std::int64_t deadline_ns) {
    for (;;) {
        const std::int64_t left_ms =
            (deadline_ns - EventLoop::monotonic_ns() + 999'999) / 1'000'000;
        if (left_ms <= 0) {
            return lost(fmt::format("no answer within {} ms", timeout_.ns / 1'000'000), ETIMEDOUT);
        }
        pollfd ready{.fd = socket_.get(), .events = events, .revents = 0};
        const int count = ::poll(&ready, 1, static_cast<int>(left_ms));
        if (count > 0) return {};
        if (count < 0 && errno != EINTR) return lost_with_errno();
    }
}

}  // namespace overlab::real
