// Interrupts: SIGINT, SIGTERM and SIGHUP as a file descriptor, so that a command can stop its
// children and remove half-written files instead of being torn away. Blocked signals are given back
// on destruction.
#pragma once

#include <csignal>

#include "real/base/fd.h"

namespace overlab::cli {

class Interrupts {
   public:
    Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;
    ~Interrupts();

    /// Readable when a signal waits; for poll().
    [[nodiscard]] int descriptor() const { return fd_.get(); }

    /// The signal that came, or 0. Once one has come it stays.
    [[nodiscard]] int caught();

    /// In a child: the signal mask of the time before this object.
    void restore_mask() const;

   private:
    sigset_t before_{};
    real::Fd fd_;
    int caught_ = 0;
};

}  // namespace overlab::cli
