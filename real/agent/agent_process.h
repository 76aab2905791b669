// AgentProcess: a HostAgent in a process of its own inside its host's namespace, so that it can be
// killed and started again as on a real host, and what it costs can be told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "real/agent/agent_message.h"
#include "real/agent/host_agent.h"
#include "real/base/event_loop.h"
#include "real/base/netns.h"
#include "real/base/process.h"

namespace overlab::real {

class AgentProcess {
   public:
    using Hear = std::function<void(const AgentMessage&)>;

    /// Forks the agent, which puts its parts together (that can take a second: strongSwan), says
    /// `ready` and waits for begin(). Messages come from `loop`. References must outlive the
    /// handle. Errors: unavailable.
    [[nodiscard]] static Result<std::unique_ptr<AgentProcess>> start(EventLoop& loop,
                                                                     const Netns& netns,
                                                                     AgentOptions options,
                                                                     Hear hear);
    AgentProcess(const AgentProcess&) = delete;
    AgentProcess& operator=(const AgentProcess&) = delete;

    /// The node starts; its instants count from this epoch of the monotonic clock.
    void begin(std::int64_t epoch_ns) const;
    /// Asks for a status message.
    void ask() const;
    /// As an operator's kill -9: rows and lease stay.
    void kill();
    /// SIGTERM and a bounded wait: the agent ends its charon and is gone; rows and lease stay.
    ExitStatus stop();
    [[nodiscard]] Process& process() { return process_; }

   private:
    AgentProcess(Process process, Fd channel, Hear hear);
    void read();

    Process process_;
    Fd channel_;
    Hear hear_;
    std::string buffer_;
    EventLoop::Watch watch_;
};

}  // namespace overlab::real
