// NetlinkSocket: requests to the kernel in batches, each with its own outcome. Errors carry the
// kernel's own words (extended ACK) where it gives any.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "models/base/error.h"
#include "real/base/fd.h"
#include "real/base/netns.h"

namespace overlab::real {

/// Netlink messages one after another, built in place (libmnl's mnl_attr_put* work on what add()
/// returns).
class NetlinkBatch {
   public:
    /// Starts a message with a zeroed family header of `family_header_size` bytes. NLM_F_REQUEST is
    /// added. The pointer is good until the next add(); a message may grow to 64 KiB.
    nlmsghdr* add(std::uint16_t type, std::uint16_t flags, std::size_t family_header_size);
    /// The family header of the message that add() returned.
    template <typename T>
    static T& family_header(nlmsghdr* message) {
        return *reinterpret_cast<T*>(reinterpret_cast<char*>(message) + NLMSG_HDRLEN);
    }
    [[nodiscard]] std::size_t size() const { return offsets_.size(); }
    /// Length of all messages, in bytes.
    [[nodiscard]] std::size_t byte_count();
    void clear();

   private:
    friend class NetlinkSocket;
    /// The last message's length becomes known: it grows by what is put into it after add().
    void close_last();
    [[nodiscard]] nlmsghdr* at(std::size_t index);

    std::vector<char> bytes_;  ///< always with room for one more message behind `end_`
    std::size_t end_ = 0;      ///< of the messages before the last
    std::vector<std::size_t> offsets_;
};

class NetlinkSocket {
   public:
    /// `protocol`: NETLINK_ROUTE, NETLINK_XFRM, NETLINK_GENERIC. In the namespace, or the calling
    /// thread's own. Asks for extended ACKs, strict checking and large buffers. Errors: unsupported
    /// (the kernel lacks the protocol), unavailable.
    [[nodiscard]] static Result<NetlinkSocket> open(int protocol, const Netns* netns = nullptr);

    /// Sends every message, many a system call, and waits for all answers: one outcome a message,
    /// in order. A message that fails does not stop those after it. Kinds: ENOENT, ESRCH, ENODEV,
    /// ENXIO, EADDRNOTAVAIL -> not_found; EEXIST -> already_exists; EOPNOTSUPP, EPROTONOSUPPORT,
    /// EAFNOSUPPORT, EPERM -> unsupported; ENOBUFS, ENOMEM, EAGAIN, EBUSY, EINTR -> unavailable;
    /// else invalid_argument. `what` is the kernel's text; the caller puts the object's name before
    /// it.
    [[nodiscard]] std::vector<Result<void>> execute(NetlinkBatch& batch);
    /// For one message.
    [[nodiscard]] Result<void> execute_one(NetlinkBatch& batch);

    /// Sends one request (NLM_F_DUMP set by the caller for dumps) and hands over every answer. A
    /// dump that the kernel marks as interrupted (NLM_F_DUMP_INTR) is `unavailable`: ask again.
    [[nodiscard]] Result<void> query(NetlinkBatch& batch,
                                     const std::function<void(const nlmsghdr&)>& answer);

    [[nodiscard]] int fd() const { return fd_.get(); }

   private:
    explicit NetlinkSocket(Fd fd);
    struct Chunk;

    [[nodiscard]] Chunk next_chunk(NetlinkBatch& batch, std::size_t first);
    void run_chunk(NetlinkBatch& batch, const Chunk& chunk, std::vector<Result<void>>& outcomes);
    [[nodiscard]] Result<void> send(const char* bytes, std::size_t size);
    /// Hands over each message of the next datagram from the kernel.
    [[nodiscard]] Result<void> receive(const std::function<void(const nlmsghdr&)>& take);

    Fd fd_;
    std::uint32_t sequence_ = 1;
    std::vector<char> receive_buffer_;
};

}  // namespace overlab::real
