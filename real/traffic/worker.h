// Worker: one forked process of a flow, in a pod's namespace. It runs a function that measures, and
// its tally comes back over a socket while the loop goes on.
//
// The child closes every descriptor but that socket: what the world has open must end when the
// world ends.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "real/base/event_loop.h"
#include "real/base/process.h"
#include "real/traffic/flow_tally.h"

namespace overlab::real {

class Worker {
   public:
    /// Runs in the child. `control` turns readable when it shall come to an end.
    using Body = std::function<FlowTally(int control)>;
    /// Once, from the loop; empty if it died before it could tell.
    using Done = std::function<void(std::optional<FlowTally>)>;

    /// In `netns`, or ours. Errors: unavailable (fork failed).
    [[nodiscard]] static Result<std::unique_ptr<Worker>> start(EventLoop& loop, const Netns* netns,
                                                               const Body& body, Done done);

    /// Asks it to end; its tally still comes.
    void ask_to_end();
    /// SIGKILL; Done still comes.
    void kill();
    [[nodiscard]] bool running() const { return !process_.status(); }
    [[nodiscard]] const std::optional<ExitStatus>& status() const { return process_.status(); }

   private:
    Worker(Process process, Fd socket, Done done);
    void drain();

    Process process_;
    Fd socket_;
    EventLoop::Watch watch_;
    std::string bytes_;
    Done done_;
};

/// True if `fd` has something to read (or has ended), without waiting.
[[nodiscard]] bool readable(int fd);

}  // namespace overlab::real
