#include "real/traffic/worker.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace overlab::real {
namespace {

constexpr std::size_t most_bytes = std::size_t{256} << 20;

void close_all_but(int kept) {
    const auto fd = static_cast<unsigned>(kept);
    if (fd > 3) ::close_range(3, fd - 1, 0);
    ::close_range(fd + 1, ~0U, 0);
}

int run_child(const Worker::Body& body, int control) {
    ::signal(SIGPIPE, SIG_IGN);
    close_all_but(control);
    const std::string bytes = encode(body(control));
    for (std::size_t done = 0; done < bytes.size();) {
        const ssize_t count = ::send(control, bytes.data() + done, bytes.size() - done, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return 1;
        done += static_cast<std::size_t>(count);
    }
    return 0;
}

}  // namespace

bool readable(int fd) {
    pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&state, 1, 0) > 0;
}

Worker::Worker(Process process, Fd socket, Done done)
    : process_(std::move(process)), socket_(std::move(socket)), done_(std::move(done)) {}

Result<std::unique_ptr<Worker>> Worker::start(EventLoop& loop, const Netns* netns, const Body& body,
                                              Done done) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return fail(ErrorKind::unavailable, fmt::format("socketpair: {}", std::strerror(errno)),
                    errno);
    }
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    OVERLAB_TRY(Process process,
                Process::fork([&] { return run_child(body, theirs.get()); }, netns));
    std::unique_ptr<Worker> worker(
        new Worker(std::move(process), std::move(ours), std::move(done)));
    Worker* self = worker.get();
    worker->watch_ =
        loop.watch(self->socket_.get(), EventLoop::Interest::read, [self] { self->drain(); });
    worker->process_.on_exit(loop, [self](const ExitStatus& status) {
        self->drain();
        self->watch_ = {};
        // The callback may destroy this object.
        const Done call = std::move(self->done_);
        call(status.clean() ? decode(self->bytes_) : std::nullopt);
    });
    return worker;
}

void Worker::drain() {
    std::array<char, 65536> block{};
    for (;;) {
        const ssize_t count = ::recv(socket_.get(), block.data(), block.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0 || bytes_.size() > most_bytes) {
            watch_ = {};
            return;
        }
        bytes_.append(block.data(), static_cast<std::size_t>(count));
    }
}

void Worker::ask_to_end() {
    const char byte = 0;
    // A child that has gone already needs no asking.
    (void)::send(socket_.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Worker::kill() { process_.signal(SIGKILL); }

}  // namespace overlab::real
