#include "cli/fuzz_worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "models/base/check.h"

namespace overlab::cli {
namespace {

/// Shrinking is many runs of one seed, each of them counted as a step.
constexpr std::chrono::seconds longest_seed{300};

void send_line(int pipe, std::string line) {
    line += '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t sent = ::write(pipe, rest.data(), rest.size());
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) ::_exit(1);  // The parent is gone.
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
}

}  // namespace

struct FuzzWorker::Shared {
    std::atomic<std::uint64_t> seed, steps, histories, faults, events, run_twice;
};

void FuzzWorker::Unmap::operator()(Shared* shared) const { ::munmap(shared, sizeof(Shared)); }

FuzzWorker::FuzzWorker(pid_t pid, real::Fd pipe, SharedPtr shared)
    : pid_(pid), pipe_(std::move(pipe)), shared_(std::move(shared)) {}

FuzzWorker::FuzzWorker(FuzzWorker&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pipe_(std::move(other.pipe_)),
      shared_(std::move(other.shared_)),
      buffer_(std::move(other.buffer_)),
      findings_(std::move(other.findings_)),
      refusal_(std::move(other.refusal_)),
      seen_steps_(other.seen_steps_),
      seen_at_(other.seen_at_) {}

FuzzWorker::~FuzzWorker() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

Result<FuzzWorker> FuzzWorker::start(const FuzzPlan& plan, const FuzzSeeds& seeds,
                                     std::uint64_t first, const Interrupts& interrupts) {
    void* memory =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    std::array<int, 2> ends{};
    if (memory == MAP_FAILED || ::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail(ErrorKind::unavailable, std::strerror(errno), errno);
    SharedPtr shared(new (memory) Shared{});
    real::Fd read_end(ends[0]);
    const real::Fd write_end(ends[1]);
    std::fflush(nullptr);  // Else the child would print what the parent has buffered once more.
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return fail(ErrorKind::unavailable, fmt::format("fork: {}", std::strerror(errno)), errno);
    if (pid == 0) {
        interrupts.restore_mask();
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
        work(plan, seeds, first, *shared, write_end.get());
        ::_exit(0);
    }
    CHECK(::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) == 0);
    return FuzzWorker(pid, std::move(read_end), std::move(shared));
}

/// In the child.
void FuzzWorker::work(const FuzzPlan& plan, const FuzzSeeds& seeds, std::uint64_t first,
                      Shared& shared, int pipe) {
    std::size_t found = 0;
    for (std::uint64_t seed = first; seed <= plan.last; seed += plan.jobs) {
        shared.seed = seed;
        ++shared.steps;
        const auto outcome = seeds.run(seed, found < plan.most_shrunk);
        if (!outcome) return send_line(pipe, "e " + outcome.error().what);
        ++shared.histories;
        shared.faults += outcome->faults;
        shared.events += outcome->events;
        shared.run_twice += outcome->run_twice ? 1 : 0;
        if (!outcome->finding) continue;
        ++found;
        send_line(pipe, "f " + encode_finding(*outcome->finding));
    }
}

void FuzzWorker::take_line(std::string_view line) {
    const std::string_view rest = line.substr(2);
    if (line.starts_with("e ")) {
        refusal_ = Error{.kind = ErrorKind::unsupported, .what = std::string(rest)};
        return;
    }
    auto finding = decode_finding(rest);
    CHECK(finding.has_value());
    findings_.push_back(std::move(*finding));
}

bool FuzzWorker::read() {
    std::array<char, 65536> block{};
    for (;;) {
        const ssize_t count = ::read(pipe_.get(), block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return !(count < 0 && errno == EAGAIN);
        buffer_.append(block.data(), static_cast<std::size_t>(count));
        for (std::size_t end = buffer_.find('\n'); end != std::string::npos;
             end = buffer_.find('\n')) {
            take_line(std::string_view(buffer_).substr(0, end));
            buffer_.erase(0, end + 1);
        }
    }
}

void FuzzWorker::add_to(FuzzTotals& totals) const {
    totals.histories += shared_->histories;
    totals.faults += shared_->faults;
    totals.events += shared_->events;
    totals.run_twice += shared_->run_twice;
}

std::uint64_t FuzzWorker::current_seed() const { return shared_->seed; }

bool FuzzWorker::is_stuck() {
    if (const std::uint64_t steps = shared_->steps; steps != seen_steps_) {
        seen_steps_ = steps;
        seen_at_ = Clock::now();
    }
    return Clock::now() - seen_at_ > longest_seed;
}

std::optional<std::string> FuzzWorker::end() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0) CHECK(errno == EINTR);
    pid_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
    if (WIFSIGNALED(status)) return fmt::format("SIG{}", ::sigabbrev_np(WTERMSIG(status)));
    return fmt::format("exit code {}", WEXITSTATUS(status));
}

}  // namespace overlab::cli
