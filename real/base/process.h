// Process: a program or a forked function running beside us, in a namespace of its own choosing. It
// never outlives its handle, nor its parent (PR_SET_PDEATHSIG).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "real/base/event_loop.h"
#include "real/base/fd.h"
#include "real/base/netns.h"

namespace overlab::real {

/// How a process ended and what it cost, its waited-for children included (getrusage).
struct ExitStatus {
    int code = 0;    ///< exit code; 128 + signal if it was killed
    int signal = 0;  ///< 0: it exited
    Duration user_time, system_time;

    [[nodiscard]] bool clean() const { return code == 0; }
    [[nodiscard]] std::string to_string() const;  ///< `exit code 3`, `SIGKILL`
};

struct Command {
    std::vector<std::string> argv;           ///< argv[0] is looked up in PATH
    std::map<std::string, std::string> env;  ///< added to ours
    const Netns* netns = nullptr;            ///< null: ours. Only used while starting
    std::filesystem::path output;  ///< standard output and error go here; empty: /dev/null
    std::filesystem::path error;   ///< standard error alone goes here; empty: as output
};

class Process {
   public:
    /// Errors: not_found (no such program; the message names its Debian package where known),
    /// unavailable (fork or exec failed, with errno).
    [[nodiscard]] static Result<Process> start(const Command& command);
    /// Forks; `body` runs in the child with all its descriptors, in `netns` if given, and its
    /// answer is the exit code.
    [[nodiscard]] static Result<Process> fork(const std::function<int()>& body,
                                              const Netns* netns = nullptr);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    /// Kills it if it still runs, and waits.
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Calls back once when it has ended (at once if it has), from the loop.
    void on_exit(EventLoop& loop, std::function<void(const ExitStatus&)> ended);
    /// Waits without a loop; empty if `limit` passed first.
    [[nodiscard]] std::optional<ExitStatus> wait(Duration limit);
    /// Set once it has been waited for.
    [[nodiscard]] const std::optional<ExitStatus>& status() const { return status_; }
    void signal(int number) const;
    /// SIGTERM, and SIGKILL if it is still there after `grace`.
    ExitStatus stop(Duration grace = seconds(2));

   private:
    Process(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
    void reap();
    /// Kills it if it still runs, and waits.
    void end();

    pid_t pid_;
    Fd pidfd_;
    EventLoop::Watch watch_;
    bool notified_ = false;
    std::optional<ExitStatus> status_;
};

/// What `command` printed on standard output, at most `limit_bytes`. Errors: as start();
/// unavailable if it fails or takes longer than `limit` (the message ends with its last line).
[[nodiscard]] Result<std::string> output_of(const Command& command, Duration limit = seconds(10));

/// Where PATH has this program; empty if nowhere. Looks into /usr/sbin and /sbin too.
[[nodiscard]] std::filesystem::path find_program(const std::string& name);

}  // namespace overlab::real
