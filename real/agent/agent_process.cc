#include "real/agent/agent_process.h"

#include <sys/signalfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "models/base/check.h"

namespace overlab::real {
namespace {

/// Blocks until all of it is in the socket: the world reads whenever it can, and messages are few.
void send_line(int channel, std::string line) {
    line += '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t sent = ::send(channel, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return;  // The world is gone, and so are we in a moment.
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
}

/// SIGTERM as a descriptor.
Fd termination() {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
    return Fd(::signalfd(-1, &wanted, SFD_CLOEXEC));
}

/// What the world says to an agent: one of these a message. Both ends are this program, so the
/// bytes need no order or version.
struct Instruction {
    enum class Kind : std::uint8_t { begin, status } kind = Kind::status;
    std::int64_t epoch_ns = 0;
};

/// The agent process from its fork on.
class AgentMain {
   public:
    explicit AgentMain(int channel) : channel_(channel) {}

    int run(const AgentOptions& options) {
        const Fd term = termination();
        auto agent = HostAgent::create(loop_, options,
                                       [this](const AgentMessage& message) { tell(message); });
        if (!agent) {
            tell({.kind = AgentMessage::Kind::failed, .text = agent.error().what});
            return 2;
        }
        agent_ = std::move(*agent);
        const auto stop_watch =
            loop_.watch(term.get(), EventLoop::Interest::read, [this] { loop_.stop(); });
        const auto channel_watch =
            loop_.watch(channel_, EventLoop::Interest::read, [this] { obey(); });
        tell({.kind = AgentMessage::Kind::ready});
        loop_.run();
        return 0;
    }

   private:
    void tell(const AgentMessage& message) const { send_line(channel_, encode(message)); }

    void obey() {
        Instruction instruction;
        const ssize_t size = ::recv(channel_, &instruction, sizeof instruction, MSG_WAITALL);
        if (size != sizeof instruction) {
            loop_.stop();  // The world is gone.
        } else if (instruction.kind == Instruction::Kind::begin) {
            loop_.set_epoch(instruction.epoch_ns);
            agent_->start();
        } else {
            tell({.kind = AgentMessage::Kind::status,
                  .at_ns = loop_.now().ns,
                  .status = agent_->status()});
        }
    }

    int channel_;
    EventLoop loop_;
    std::unique_ptr<HostAgent> agent_;
};

void instruct(int channel, const Instruction& instruction) {
    // An agent that is gone does not answer, which the asker bounds by time.
    (void)::send(channel, &instruction, sizeof instruction, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

Result<std::unique_ptr<AgentProcess>> AgentProcess::start(EventLoop& loop, const Netns& netns,
                                                          AgentOptions options, Hear hear) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail(ErrorKind::unavailable, std::strerror(errno), errno);
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    OVERLAB_TRY(Process process, Process::fork(
                                     [&] {
                                         ours.close();
                                         return AgentMain(theirs.get()).run(options);
                                     },
                                     &netns));
    std::unique_ptr<AgentProcess> agent(
        new AgentProcess(std::move(process), std::move(ours), std::move(hear)));
    agent->watch_ = loop.watch(agent->channel_.get(), EventLoop::Interest::read,
                               [self = agent.get()] { self->read(); });
    return agent;
}

AgentProcess::AgentProcess(Process process, Fd channel, Hear hear)
    : process_(std::move(process)), channel_(std::move(channel)), hear_(std::move(hear)) {}

void AgentProcess::read() {
    std::array<char, 65536> block{};
    const ssize_t count = ::recv(channel_.get(), block.data(), block.size(), MSG_DONTWAIT);
    if (count < 0) return;
    if (count == 0) {
        watch_ = {};
        return;
    }
    buffer_.append(block.data(), static_cast<std::size_t>(count));
    for (std::size_t end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n')) {
        const auto message = decode_agent_message(std::string_view(buffer_).substr(0, end));
        buffer_.erase(0, end + 1);
        CHECK(message.has_value());
        hear_(*message);
    }
}

void AgentProcess::begin(std::int64_t epoch_ns) const {
    instruct(channel_.get(), {.kind = Instruction::Kind::begin, .epoch_ns = epoch_ns});
}

void AgentProcess::ask() const { instruct(channel_.get(), {}); }

void AgentProcess::kill() {
    process_.signal(SIGKILL);
    (void)process_.wait(seconds(5));
}

ExitStatus AgentProcess::stop() { return process_.stop(); }

}  // namespace overlab::real
