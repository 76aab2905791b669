#include "cli/crosscheck_guests.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "models/base/check.h"
#include "real/base/fd.h"
#include "real/vm/vm_runner.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

constexpr Duration boot_limit = minutes(5);
constexpr Duration history_limit = seconds(5), shrink_limit = minutes(10);

real::GuestNeeds crosscheck_needs() {
    return {.esp = true, .wireguard = true, .ipip = true, .virtual_time = true};
}

/// What one guest is asked to do; `folder` is its own and holds the outcome afterwards.
real::GuestJob crosscheck_job(const HistoryShare& share, const fs::path& folder) {
    real::GuestJob job{
        .argv = {fs::read_symlink("/proc/self/exe").string(), "crosscheck-in-guest",
                 fmt::format("--seed={}", share.seed), fmt::format("--first={}", share.first),
                 fmt::format("--count={}", share.count),
                 "--outcome=" + (folder / "outcome").string()},
        .folder = folder,
        .writable = {folder},
        .limit = boot_limit + history_limit * static_cast<std::int64_t>(share.count)};
    if (!share.file.empty()) job.argv.push_back("--history=" + share.file.string());
    if (share.shrink) {
        job.argv.emplace_back("--shrink");
        job.limit = job.limit + shrink_limit;
    }
    job.virtual_time = real::VirtualTime{.seed = share.seed};
    return job;
}

std::string contents(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

void write_outcome(const fs::path& folder, const Error& error) {
    // If this fails too, the parent finds nothing and says so.
    std::ofstream(folder / "outcome", std::ios::trunc) << encode_outcome(std::unexpected(error));
}

/// In the child: the guest's output goes to `fd`.
void run_guest(const real::VmRunner& runner, const HistoryShare& share, const fs::path& folder,
               int fd) {
    real::GuestJob job = crosscheck_job(share, folder);
    std::string last_words;
    job.output = [&](std::string_view text) {
        last_words.append(text);
        if (last_words.size() > 2000) last_words.erase(0, last_words.size() - 1000);
        (void)!::write(fd, text.data(), text.size());  // a parent that is gone ends us
    };
    const Result<int> code = runner.run(job);
    if (!code) return write_outcome(folder, code.error());
    if (*code == 0) return;
    write_outcome(folder, {ErrorKind::unavailable,
                           fmt::format("guest: exit code {}: {}", *code, last_words)});
}

/// A guest under way, in a process of its own.
class Guest {
   public:
    static Result<Guest> start(const real::VmRunner& runner, const HistoryShare& share,
                               const fs::path& folder, const Interrupts& interrupts) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe");
        real::Fd read_end(ends[0]);
        const real::Fd write_end(ends[1]);
        std::fflush(nullptr);
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid < 0) return system_error("fork");
        if (pid == 0) {
            interrupts.restore_mask();
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // not SIGKILL: the runner ends its guest
            if (::getppid() == parent) run_guest(runner, share, folder, write_end.get());
            ::_exit(0);
        }
        CHECK(::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) == 0);
        return Guest(pid, std::move(read_end));
    }

    Guest(Guest&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)),
          pipe_(std::move(other.pipe_)),
          line_(std::move(other.line_)),
          fraction_(other.fraction_) {}
    Guest& operator=(Guest&&) = delete;
    ~Guest() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGTERM);
        wait();
    }

    [[nodiscard]] int descriptor() const { return pipe_.get(); }
    [[nodiscard]] double fraction() const { return fraction_; }

    /// Takes what the pipe holds. True once the process is at its end.
    bool read() {
        std::array<char, 4096> block{};
        for (;;) {
            const ssize_t count = ::read(pipe_.get(), block.data(), block.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return false;
            if (count == 0) return true;
            for (const char each : std::string_view(block.data(), static_cast<std::size_t>(count)))
                take(each);
        }
    }
    void wait() {
        while (::waitpid(pid_, nullptr, 0) < 0) CHECK(errno == EINTR);
        pid_ = -1;
    }

   private:
    Guest(pid_t pid, real::Fd pipe) : pid_(pid), pipe_(std::move(pipe)) {}

    static std::unexpected<Error> system_error(std::string_view what) {
        return fail(ErrorKind::unavailable, fmt::format("{}: {}", what, std::strerror(errno)),
                    errno);
    }

    /// `p DONE COUNT` is progress; other lines are the guest kernel's.
    void take(char each) {
        if (each != '\n') {
            line_ += each;
            return;
        }
        std::istringstream words(std::exchange(line_, {}));
        std::string word;
        double done = 0;
        double count = 0;
        if (words >> word >> done >> count && word == "p" && count > 0) fraction_ = done / count;
    }

    pid_t pid_;
    real::Fd pipe_;
    std::string line_;
    double fraction_ = 0;
};

/// Until all are at their end, or a signal comes.
Result<void> watch(std::vector<std::optional<Guest>>& guests,
                   const std::vector<HistoryShare>& shares, Interrupts& interrupts,
                   Progress& progress) {
    for (;;) {
        constexpr int redraw_ms = 200;
        std::vector<pollfd> waiting{
            {.fd = interrupts.descriptor(), .events = POLLIN, .revents = 0}};
        std::vector<std::string> names;
        for (std::size_t i = 0; i < guests.size(); ++i) {
            if (!guests[i]) continue;
            waiting.push_back({.fd = guests[i]->descriptor(), .events = POLLIN, .revents = 0});
            names.push_back(shares[i].name());
        }
        if (names.empty()) return {};
        progress.draw(names);
        // A failure (EINTR) only means to come again.
        (void)::poll(waiting.data(), waiting.size(), redraw_ms);
        if (const int signal = interrupts.caught(); signal != 0) {
            return fail(ErrorKind::unavailable,
                        fmt::format("stopped by SIG{}", ::sigabbrev_np(signal)));
        }
        for (std::size_t i = 0; i < guests.size(); ++i) {
            if (!guests[i]) continue;
            const bool ended = guests[i]->read();
            progress.update(i, guests[i]->fraction());
            if (!ended) continue;
            guests[i]->wait();
            guests[i].reset();
        }
    }
}

}  // namespace

std::string HistoryShare::name() const {
    if (!file.empty()) return "the history";
    if (count == 1) return fmt::format("history {}", first);
    return fmt::format("histories {} to {}", first, first + count - 1);
}

Result<std::vector<CrosscheckOutcome>> run_in_guests(const std::vector<HistoryShare>& shares,
                                                     const fs::path& scratch,
                                                     Interrupts& interrupts, Progress& progress) {
    OVERLAB_TRY(const real::VmRunner runner, real::VmRunner::pick(crosscheck_needs()));
    std::vector<std::optional<Guest>> guests;
    std::vector<fs::path> folders;
    for (const HistoryShare& share : shares) {
        folders.push_back(scratch / fmt::format("guest-{}", folders.size() + 1));
        std::error_code problem;
        fs::remove_all(folders.back(), problem);
        fs::create_directories(folders.back(), problem);
        if (problem) {
            return fail(ErrorKind::unavailable,
                        fmt::format("{}: {}", folders.back().string(), problem.message()));
        }
        OVERLAB_TRY(Guest guest, Guest::start(runner, share, folders.back(), interrupts));
        guests.emplace_back(std::move(guest));
    }
    if (auto watched = watch(guests, shares, interrupts, progress); !watched) {
        return std::unexpected(watched.error());
    }
    std::vector<CrosscheckOutcome> outcomes;
    for (const fs::path& folder : folders) {
        OVERLAB_TRY(CrosscheckOutcome outcome, decode_outcome(contents(folder / "outcome")));
        outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

}  // namespace overlab::cli
