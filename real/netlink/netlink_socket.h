// NetlinkSocket: requests to the kernel in batches, each with its own outcome. Errors carry the
// kernel's own words (extended ACK) where it gives any.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
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
    void clear();

   private:
    friend class NetlinkSocket;
    void close_last();  ///< the last message's length becomes known

    std::vector<char> bytes_;
    std::vector<std::size_t> offsets_;
};

class NetlinkSocket {
   public:
    /// `protocol`: NETLINK_ROUTE, NETLINK_XFRM, NETLINK_GENERIC. In the namespace, or the calling
    /// thread's own. Asks for extended ACKs, strict checking and large buffers. Errors: unsupported
    /// (the kernel lacks the protocol), unavailable.
    [[nodiscard]] static Result<NetlinkSocket> open(int protocol, const Netns* netns = nullptr);

    /// Sends every message, many a system call, and waits for all answers: one outcome a message,
    /// in order. Kinds: ENOENT, ESRCH, ENODEV -> not_found; EEXIST -> already_exists; EOPNOTSUPP,
    /// EPROTONOSUPPORT -> unsupported; ENOBUFS, ENOMEM, EAGAIN -> unavailable; else
    /// invalid_argument. `what` is the kernel's text; the caller puts the object's name before it.
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

    Fd fd_;
    std::uint32_t sequence_ = 1;
    std::vector<char> receive_buffer_;
};

}  // namespace overlab::real
