// FuzzWorker: one process that runs every n-th seed. It tells findings over a pipe and where it
// stands through memory that it shares with its parent, so that 300 histories a second cost no 300
// messages, and a dead worker's last seed is known.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/fuzz_workers.h"
#include "real/base/fd.h"

namespace overlab::cli {

class FuzzWorker {
   public:
    /// Runs `first`, `first + plan.jobs`, ... up to plan.last. Errors: unavailable, with errno.
    [[nodiscard]] static Result<FuzzWorker> start(const FuzzPlan& plan, const FuzzSeeds& seeds,
                                                  std::uint64_t first,
                                                  const Interrupts& interrupts);

    FuzzWorker(FuzzWorker&& other) noexcept;
    FuzzWorker& operator=(FuzzWorker&&) = delete;
    FuzzWorker(const FuzzWorker&) = delete;
    FuzzWorker& operator=(const FuzzWorker&) = delete;
    ~FuzzWorker();  ///< kills the process if it is there

    [[nodiscard]] int descriptor() const { return pipe_.get(); }
    /// True once the worker has ended.
    [[nodiscard]] bool read();
    /// Of this process alone; added up as they stand now.
    void add_to(FuzzTotals& totals) const;
    [[nodiscard]] std::uint64_t current_seed() const;
    /// It has been at its seed for longer than a history can take.
    [[nodiscard]] bool is_stuck();
    /// Ends it if need be. Nothing if it did all that it should; else how it died.
    [[nodiscard]] std::optional<std::string> end();
    [[nodiscard]] const std::optional<Error>& refusal() const { return refusal_; }
    [[nodiscard]] std::vector<FuzzFinding> take_findings() { return std::move(findings_); }

   private:
    struct Shared;
    struct Unmap {
        void operator()(Shared* shared) const;
    };
    using SharedPtr = std::unique_ptr<Shared, Unmap>;
    using Clock = std::chrono::steady_clock;

    FuzzWorker(pid_t pid, real::Fd pipe, SharedPtr shared);
    static void work(const FuzzPlan& plan, const FuzzSeeds& seeds, std::uint64_t first,
                     Shared& shared, int pipe);
    void take_line(std::string_view line);

    pid_t pid_;
    real::Fd pipe_;
    SharedPtr shared_;
    std::string buffer_;
    std::vector<FuzzFinding> findings_;
    std::optional<Error> refusal_;
    std::uint64_t seen_steps_ = 0;
    Clock::time_point seen_at_ = Clock::now();
};

}  // namespace overlab::cli
