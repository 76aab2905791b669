#include "real/netlink/netlink_socket.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "models/base/check.h"

namespace overlab::real {
namespace {

constexpr std::size_t max_message_bytes = 65536;
/// A system call carries at most so much: beyond 256 messages nothing is gained, and the answers
/// of one call must fit into the receive buffer even where it may not be enlarged.
constexpr std::size_t max_chunk_messages = 256;
constexpr std::size_t max_chunk_bytes = 65536;
constexpr int wanted_buffer_bytes = 8 * 1024 * 1024;
/// The kernel never fills more than 32 KiB of a dump at once (netlink_recvmsg).
constexpr std::size_t receive_buffer_bytes = 65536;
/// Answers are queued before send() returns; no answer at all is a kernel in trouble.
constexpr timeval answer_limit = {.tv_sec = 10, .tv_usec = 0};

ErrorKind kind_of(int code) {
    switch (code) {
        case ENOENT:
        case ESRCH:
        case ENODEV:
        case ENXIO:
        case EADDRNOTAVAIL:
            return ErrorKind::not_found;
        case EEXIST:
            return ErrorKind::already_exists;
        case EOPNOTSUPP:
        case EPROTONOSUPPORT:
        case EAFNOSUPPORT:
        case EPERM:
            return ErrorKind::unsupported;
        case ENOBUFS:
        case ENOMEM:
        case EAGAIN:
        case EBUSY:
        case EINTR:
            return ErrorKind::unavailable;
        default:
            return ErrorKind::invalid_argument;
    }
}

Error error_of(int code, std::string what = {}) {
    if (what.empty()) what = std::strerror(code);
    return {kind_of(code), std::move(what), code};
}

/// The kernel's own words in an answer: attributes that start `offset` bytes into the message.
std::string extended_text(const nlmsghdr& message, std::size_t offset) {
    const char* const begin = reinterpret_cast<const char*>(&message);
    while (offset + NLA_HDRLEN <= message.nlmsg_len) {
        nlattr head{};
        std::memcpy(&head, begin + offset, sizeof head);
        if (head.nla_len < NLA_HDRLEN || offset + head.nla_len > message.nlmsg_len) break;
        if ((head.nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
            const std::string text(begin + offset + NLA_HDRLEN,
                                   std::size_t{head.nla_len} - NLA_HDRLEN);
            return text.substr(0, text.find('\0'));
        }
        offset += NLA_ALIGN(head.nla_len);
    }
    return {};
}

/// What an NLMSG_ERROR says: nothing for an acknowledgement.
Result<void> outcome_of(const nlmsghdr& message) {
    nlmsgerr body{};
    if (message.nlmsg_len < NLMSG_HDRLEN + sizeof body) {
        return fail(ErrorKind::unavailable, "the kernel's answer is cut off");
    }
    std::memcpy(&body, reinterpret_cast<const char*>(&message) + NLMSG_HDRLEN, sizeof body);
    if (body.error == 0) return {};
    std::string text;
    if ((message.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
        std::size_t offset = NLMSG_HDRLEN + sizeof body;
        if ((message.nlmsg_flags & NLM_F_CAPPED) == 0) {
            offset += NLMSG_ALIGN(body.msg.nlmsg_len) - NLMSG_HDRLEN;
        }
        text = extended_text(message, offset);
    }
    return std::unexpected(error_of(-body.error, std::move(text)));
}

/// What an NLMSG_DONE says: dumps fail there.
Result<void> outcome_of_dump(const nlmsghdr& message) {
    int code = 0;
    if (message.nlmsg_len < NLMSG_HDRLEN + sizeof code) return {};
    std::memcpy(&code, reinterpret_cast<const char*>(&message) + NLMSG_HDRLEN, sizeof code);
    if (code >= 0) return {};
    return std::unexpected(error_of(-code, extended_text(message, NLMSG_HDRLEN + sizeof code)));
}

/// Larger buffers, where the machine lets us; what is refused is done without.
void set_options(int fd) {
    const int size = wanted_buffer_bytes;
    const int on = 1;
    const auto grow = [&](int forced, int plain) {
        if (::setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) == 0) return;
        (void)::setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size);
    };
    grow(SO_SNDBUFFORCE, SO_SNDBUF);
    grow(SO_RCVBUFFORCE, SO_RCVBUF);
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
        (void)::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
    }
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &answer_limit, sizeof answer_limit);
}

}  // namespace

// ---- NetlinkBatch ----

nlmsghdr* NetlinkBatch::add(std::uint16_t type, std::uint16_t flags,
                            std::size_t family_header_size) {
    close_last();
    if (bytes_.size() < end_ + max_message_bytes) {
        bytes_.resize(std::max(2 * bytes_.size(), end_ + 2 * max_message_bytes));
    }
    offsets_.push_back(end_);
    char* const start = bytes_.data() + end_;
    std::memset(start, 0, NLMSG_HDRLEN + NLMSG_ALIGN(family_header_size));
    auto* const message = reinterpret_cast<nlmsghdr*>(start);
    message->nlmsg_type = type;
    message->nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    message->nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + NLMSG_ALIGN(family_header_size));
    return message;
}

nlmsghdr* NetlinkBatch::at(std::size_t index) {
    return reinterpret_cast<nlmsghdr*>(bytes_.data() + offsets_[index]);
}

void NetlinkBatch::close_last() {
    if (offsets_.empty() || offsets_.back() != end_) return;
    const std::size_t length = at(offsets_.size() - 1)->nlmsg_len;
    CHECK(length <= max_message_bytes);
    end_ += NLMSG_ALIGN(length);
}

std::size_t NetlinkBatch::byte_count() {
    close_last();
    return end_;
}

void NetlinkBatch::clear() {
    offsets_.clear();
    end_ = 0;
}

// ---- NetlinkSocket ----

NetlinkSocket::NetlinkSocket(Fd fd) : fd_(std::move(fd)), receive_buffer_(receive_buffer_bytes) {}

Result<NetlinkSocket> NetlinkSocket::open(int protocol, const Netns* netns) {
    std::optional<NetnsScope> there;
    if (netns != nullptr) there.emplace(*netns);
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd.valid()) {
        const int code = errno;
        return fail(kind_of(code),
                    fmt::format("netlink protocol {}: {}", protocol, std::strerror(code)), code);
    }
    set_options(fd.get());
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int code = errno;
        return fail(ErrorKind::unavailable,
                    fmt::format("netlink protocol {}: {}", protocol, std::strerror(code)), code);
    }
    return NetlinkSocket(std::move(fd));
}

Result<void> NetlinkSocket::send(const char* bytes, std::size_t size) {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    ssize_t sent = -1;
    do {
        sent = ::sendto(fd_.get(), bytes, size, 0, reinterpret_cast<const sockaddr*>(&kernel),
                        sizeof kernel);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) return {};
    return std::unexpected(error_of(errno));
}

Result<void> NetlinkSocket::receive(const std::function<void(const nlmsghdr&)>& take) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    ssize_t got = -1;
    do {
        got = ::recvfrom(fd_.get(), receive_buffer_.data(), receive_buffer_.size(), 0,
                         reinterpret_cast<sockaddr*>(&from), &from_size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        const int code = errno;
        return fail(ErrorKind::unavailable,
                    code == EAGAIN ? "the kernel does not answer" : std::strerror(code), code);
    }
    if (from.nl_pid != 0) return {};  // Another process has no say here.
    int left = static_cast<int>(got);
    const auto* message = reinterpret_cast<const nlmsghdr*>(receive_buffer_.data());
    while (mnl_nlmsg_ok(message, left)) {
        take(*message);
        message = mnl_nlmsg_next(message, &left);
    }
    return {};
}

struct NetlinkSocket::Chunk {
    std::size_t first = 0, count = 0;
    const char* bytes = nullptr;
    std::size_t size = 0;
    std::uint32_t first_sequence = 0;
};

NetlinkSocket::Chunk NetlinkSocket::next_chunk(NetlinkBatch& batch, std::size_t first) {
    Chunk chunk{.first = first, .first_sequence = sequence_};
    const std::size_t start = batch.offsets_[first];
    std::size_t at = first;
    while (at < batch.size() && at - first < max_chunk_messages) {
        nlmsghdr* const message = batch.at(at);
        const std::size_t end = batch.offsets_[at] + NLMSG_ALIGN(message->nlmsg_len);
        if (at > first && end - start > max_chunk_bytes) break;
        message->nlmsg_seq = sequence_++;
        chunk.size = end - start;
        ++at;
    }
    // Errors come back unasked; one acknowledgement says that there are no more.
    batch.at(at - 1)->nlmsg_flags |= NLM_F_ACK;
    chunk.count = at - first;
    chunk.bytes = batch.bytes_.data() + start;
    return chunk;
}

void NetlinkSocket::run_chunk(NetlinkBatch& batch, const Chunk& chunk,
                              std::vector<Result<void>>& outcomes) {
    const auto all_fail = [&](const Error& error) {
        for (std::size_t i = 0; i < chunk.count; ++i) {
            if (outcomes[chunk.first + i]) outcomes[chunk.first + i] = std::unexpected(error);
        }
    };
    Result<void> sent = send(chunk.bytes, chunk.size);
    if (!sent) return all_fail(sent.error());
    bool complete = false;
    while (!complete) {
        const Result<void> received = receive([&](const nlmsghdr& message) {
            const std::uint32_t index = message.nlmsg_seq - chunk.first_sequence;
            if (message.nlmsg_type != NLMSG_ERROR || index >= chunk.count) return;
            outcomes[chunk.first + index] = outcome_of(message);
            if (index + 1 == chunk.count) complete = true;
        });
        // Answers were lost: what was done and what was not is unknown.
        if (!received) return all_fail(received.error());
    }
    batch.at(chunk.first + chunk.count - 1)->nlmsg_flags &= static_cast<std::uint16_t>(~NLM_F_ACK);
}

std::vector<Result<void>> NetlinkSocket::execute(NetlinkBatch& batch) {
    batch.close_last();
    std::vector<Result<void>> outcomes(batch.size());
    for (std::size_t first = 0; first < batch.size();) {
        const Chunk chunk = next_chunk(batch, first);
        run_chunk(batch, chunk, outcomes);
        first += chunk.count;
    }
    return outcomes;
}

Result<void> NetlinkSocket::execute_one(NetlinkBatch& batch) {
    CHECK(batch.size() == 1);
    return execute(batch).front();
}

Result<void> NetlinkSocket::query(NetlinkBatch& batch,
                                  const std::function<void(const nlmsghdr&)>& answer) {
    CHECK(batch.size() == 1);
    batch.close_last();
    nlmsghdr* const request = batch.at(0);
    const std::uint32_t sequence = sequence_++;
    request->nlmsg_seq = sequence;
    // A dump ends with NLMSG_DONE; anything else with an acknowledgement that is asked for.
    if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) request->nlmsg_flags |= NLM_F_ACK;
    Result<void> sent = send(batch.bytes_.data(), request->nlmsg_len);
    if (!sent) return sent;
    bool complete = false;
    bool interrupted = false;
    Result<void> outcome;
    while (!complete) {
        const Result<void> received = receive([&](const nlmsghdr& message) {
            if (message.nlmsg_seq != sequence) return;
            if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
            if (message.nlmsg_type == NLMSG_ERROR) {
                outcome = outcome_of(message);
                complete = true;
            } else if (message.nlmsg_type == NLMSG_DONE) {
                outcome = outcome_of_dump(message);
                complete = true;
            } else if (message.nlmsg_type >= NLMSG_MIN_TYPE) {
                answer(message);
            }
        });
        if (!received) return received;
    }
    if (outcome && interrupted) {
        return fail(ErrorKind::unavailable, "the table changed while it was read", EINTR);
    }
    return outcome;
}

}  // namespace overlab::real
