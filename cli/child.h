// Child: a process that runs one job and tells what came of it.
#pragma once

#include <sys/types.h>

#include <string>

#include "cli/jobs.h"
#include "cli/outcome.h"
#include "real/base/fd.h"

namespace overlab::cli {

class Child {
   public:
    /// Forks. Errors: unavailable, with errno.
    [[nodiscard]] static Result<Child> start(const Job& job, const Runner& runner,
                                             const Interrupts& interrupts);

    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    /// Kills the process if it is still there, and waits for it.
    ~Child();

    /// Readable, or at its end; for poll().
    [[nodiscard]] int descriptor() const { return pipe_.get(); }

    /// Takes what the pipe holds. True once the child has closed it: then outcome() may be called.
    [[nodiscard]] bool read();

    /// How far the run is, 0 to 1.
    [[nodiscard]] double fraction() const { return reader_.fraction(); }

    /// Waits for the process to end. Call once, after read() returned true.
    [[nodiscard]] Result<RunReport> outcome();

   private:
    Child(pid_t pid, real::Fd pipe, std::string name);

    pid_t pid_;
    real::Fd pipe_;
    std::string name_;
    OutcomeReader reader_;
};

}  // namespace overlab::cli
