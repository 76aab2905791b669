#include "cli/fuzz_workers.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "cli/fuzz_worker.h"
#include "models/fuzz/fuzz_scenario.h"

namespace overlab::cli {
namespace {

using Clock = std::chrono::steady_clock;

class Team {
   public:
    Team(const FuzzPlan& plan, const FuzzSeeds& seeds, Interrupts& interrupts,
         const FuzzProgress& progress)
        : plan_(plan), seeds_(seeds), interrupts_(interrupts), progress_(progress) {}

    Result<FuzzTotals> run() {
        for (std::uint64_t i = 0; i < plan_.jobs && plan_.first + i <= plan_.last; ++i) {
            if (auto started = start(plan_.first + i); !started)
                return std::unexpected(started.error());
        }
        while (!workers_.empty() && !over()) {
            wait();
            if (refusal_) return std::unexpected(*refusal_);
        }
        for (auto& [key, worker] : workers_) collect(worker);
        workers_.clear();
        std::ranges::sort(totals_.findings, {}, &FuzzFinding::seed);
        totals_.elapsed_s = elapsed_s();
        return std::move(totals_);
    }

   private:
    Result<void> start(std::uint64_t first) {
        OVERLAB_TRY(FuzzWorker worker, FuzzWorker::start(plan_, seeds_, first, interrupts_));
        workers_.emplace(next_key_++, std::move(worker));
        return {};
    }

    [[nodiscard]] double elapsed_s() const {
        return std::chrono::duration<double>(Clock::now() - begin_).count();
    }

    [[nodiscard]] bool over() {
        totals_.interrupted = interrupts_.caught() != 0;
        return totals_.interrupted ||
               (plan_.wall_s && elapsed_s() >= static_cast<double>(*plan_.wall_s));
    }

    void wait() {
        constexpr int redraw_ms = 200;
        std::vector<pollfd> waiting{
            {.fd = interrupts_.descriptor(), .events = POLLIN, .revents = 0}};
        for (const auto& [key, worker] : workers_)
            waiting.push_back({.fd = worker.descriptor(), .events = POLLIN, .revents = 0});
        draw();
        if (::poll(waiting.data(), waiting.size(), redraw_ms) < 0) return;  // EINTR: come again
        std::vector<std::size_t> ended, stuck;
        for (auto& [key, worker] : workers_) {
            if (worker.read()) {
                ended.push_back(key);
            } else if (worker.is_stuck()) {
                stuck.push_back(key);
            }
        }
        for (const std::size_t key : ended) end(key);
        for (const std::size_t key : stuck) abandon(key);
    }

    void draw() const {
        FuzzTotals now = totals_;
        for (const auto& [key, worker] : workers_) worker.add_to(now);
        const double of_seeds =
            static_cast<double>(now.histories) / static_cast<double>(plan_.last - plan_.first + 1);
        const double of_time =
            plan_.wall_s ? elapsed_s() / static_cast<double>(*plan_.wall_s) : 0.0;
        progress_(std::min(1.0, std::max(of_seeds, of_time)), now.histories);
    }

    void collect(FuzzWorker& worker) {
        worker.add_to(totals_);
        std::ranges::move(worker.take_findings(), std::back_inserter(totals_.findings));
    }

    /// A worker that is done, or dead: then its last seed killed it.
    void end(std::size_t key) {
        FuzzWorker& worker = workers_.at(key);
        const auto death = worker.end();
        const std::uint64_t seed = worker.current_seed();
        if (worker.refusal()) refusal_ = worker.refusal();
        collect(worker);
        workers_.erase(key);
        if (!death) return;
        FuzzFinding finding = seeds_.stuck(seed, program_died, *death);
        if (deadly_++ < plan_.most_shrunk) finding = seeds_.shrink_deadly(std::move(finding));
        go_on_after(std::move(finding));
    }

    void abandon(std::size_t key) {
        FuzzWorker& worker = workers_.at(key);
        const std::uint64_t seed = worker.current_seed();
        collect(worker);
        workers_.erase(key);
        go_on_after(seeds_.stuck(seed, "never_ends", "the history took longer than it ever may"));
    }

    void go_on_after(FuzzFinding finding) {
        const std::uint64_t next = finding.seed + plan_.jobs;
        ++totals_.histories;
        totals_.findings.push_back(std::move(finding));
        if (next > plan_.last) return;
        if (auto started = start(next); !started) refusal_ = started.error();
    }

    const FuzzPlan& plan_;
    const FuzzSeeds& seeds_;
    Interrupts& interrupts_;
    const FuzzProgress& progress_;
    std::map<std::size_t, FuzzWorker> workers_;
    std::size_t next_key_ = 0;
    std::size_t deadly_ = 0;
    std::optional<Error> refusal_;
    FuzzTotals totals_;
    Clock::time_point begin_ = Clock::now();
};

}  // namespace

Result<FuzzTotals> run_workers(const FuzzPlan& plan, const FuzzSeeds& seeds, Interrupts& interrupts,
                               const FuzzProgress& progress) {
    return Team(plan, seeds, interrupts, progress).run();
}

}  // namespace overlab::cli
