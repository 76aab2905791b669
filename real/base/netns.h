// Netns: a network namespace held open by a descriptor. It lives as long as a descriptor, a process
// or an interface's peer keeps it; no name is left anywhere.
#pragma once

#include "models/base/error.h"
#include "real/base/fd.h"

namespace overlab::real {

class Netns {
   public:
    /// A new, empty namespace with its loopback up. The calling thread stays where it is. Errors:
    /// unsupported (no right to make one; the message has the remedy), unavailable.
    [[nodiscard]] static Result<Netns> create();
    /// The calling thread's own.
    [[nodiscard]] static Result<Netns> current();
    /// Another handle on the same namespace.
    [[nodiscard]] Result<Netns> duplicate() const;

    [[nodiscard]] int fd() const { return fd_.get(); }

   private:
    explicit Netns(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

/// Puts the calling thread into a namespace until the end of the scope. Sockets opened there stay
/// there.
class NetnsScope {
   public:
    explicit NetnsScope(const Netns& there);
    ~NetnsScope();
    NetnsScope(const NetnsScope&) = delete;
    NetnsScope& operator=(const NetnsScope&) = delete;

   private:
    Fd back_;
};

}  // namespace overlab::real
