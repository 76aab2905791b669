#include "real/lab/captures.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string_view>

#include "models/base/check.h"
#include "models/net/pcapng.h"
#include "real/lab/packet_ring.h"

namespace overlab::real {
namespace {

constexpr std::size_t write_bytes = 1 << 20;
/// Rings cannot be paged out, so all together are bounded; each holds a burst all the same.
constexpr std::size_t all_rings_bytes = 256 << 20;
constexpr std::size_t fewest_blocks = 4, most_blocks = 64;
constexpr Duration stop_limit = seconds(60);

std::unexpected<Error> no_capture(const std::filesystem::path& file) {
    const int code = errno;
    return fail(ErrorKind::unavailable,
                fmt::format("capture {}: {}", file.string(), std::strerror(code)), code);
}

/// What must be added to the wall clock's reading to get the monotonic clock's. It is used for
/// packets' times and nothing else: the kernel stamps them by the wall clock only.
std::int64_t monotonic_minus_wall_ns() {
    const std::int64_t before = EventLoop::monotonic_ns();
    timespec wall{};
    CHECK(::timespec_get(&wall, TIME_UTC) == TIME_UTC);
    const std::int64_t after = EventLoop::monotonic_ns();
    return before + (after - before) / 2 -
           (std::int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec);
}

/// One link's file, in the capturing process.
class CaptureFile {
   public:
    static Result<CaptureFile> open(const CapturePoint& point, std::size_t blocks) {
        std::ofstream stream(point.file, std::ios::binary | std::ios::trunc);
        if (!stream) return no_capture(point.file);
        OVERLAB_TRY(PacketRing ring, PacketRing::open(*point.netns, point.interface, blocks));
        CaptureFile file(std::move(ring), std::move(stream), point);
        pcapng::append_section_header(file.buffer_);
        pcapng::append_interface(file.buffer_, point.name);
        return file;
    }

    [[nodiscard]] int fd() const { return ring_.fd(); }
    void detach() { ring_.detach(); }
    /// `shift_ns`: from wall clock to instants of the run.
    std::size_t take(std::int64_t shift_ns) {
        return ring_.take([&](const SeenPacket& packet) {
            const auto kept = static_cast<std::uint32_t>(packet.bytes.size());
            pcapng::append_packet(
                buffer_, {.time = {std::max<std::int64_t>(0, packet.wall_ns + shift_ns)},
                          .direction = packet.outgoing != far_end_ ? pcapng::Direction::outbound
                                                                   : pcapng::Direction::inbound,
                          .frame = packet.bytes,
                          .original_bytes = std::max(kept, packet.original_bytes)});
            if (buffer_.size() >= write_bytes) flush();
        });
    }
    /// A line about what went wrong; empty: nothing.
    std::string close() {
        flush();
        stream_.close();
        if (!stream_) {
            return fmt::format("!capture {}: not written completely (is the disk full?)\n",
                               path_.string());
        }
        const std::uint64_t dropped = ring_.take_dropped();
        if (dropped == 0) return {};
        return fmt::format(
            "capture of {}: {} packets are missing, the capturing process did not "
            "keep up\n",
            name_, dropped);
    }

   private:
    CaptureFile(PacketRing ring, std::ofstream stream, const CapturePoint& point)
        : ring_(std::move(ring)),
          stream_(std::move(stream)),
          path_(point.file),
          name_(point.name),
          far_end_(point.far_end) {}

    void flush() {
        stream_.write(reinterpret_cast<const char*>(buffer_.data()),
                      static_cast<std::streamsize>(buffer_.size()));
        buffer_.clear();
    }

    PacketRing ring_;
    std::ofstream stream_;
    std::filesystem::path path_;
    std::string name_;
    bool far_end_;
    std::vector<std::uint8_t> buffer_;
};

/// Until our parent ends its side of `control`.
void capture_until_told(std::vector<CaptureFile>& files, int control, std::int64_t shift_ns) {
    std::vector<pollfd> waits;
    for (const CaptureFile& file : files)
        waits.push_back({.fd = file.fd(), .events = POLLIN, .revents = 0});
    waits.push_back({.fd = control, .events = POLLIN, .revents = 0});
    while (waits.back().revents == 0) {
        if (::poll(waits.data(), waits.size(), -1) < 0) continue;
        for (std::size_t i = 0; i < files.size(); ++i) {
            if (waits[i].revents != 0) files[i].take(shift_ns);
        }
    }
}

int capture(std::vector<CaptureFile>& files, int control, std::int64_t shift_ns) {
    capture_until_told(files, control, shift_ns);
    for (CaptureFile& file : files) file.detach();
    // The kernel hands over unfinished blocks when they are old enough.
    const std::int64_t end = EventLoop::monotonic_ns() + 3 * milliseconds(PacketRing::retire_ms).ns;
    while (EventLoop::monotonic_ns() < end) {
        for (CaptureFile& file : files) file.take(shift_ns);
        (void)::poll(nullptr, 0, PacketRing::retire_ms / 2);  // Only waits.
    }
    std::string lines;
    for (CaptureFile& file : files) lines += file.close();
    lines += ".\n";
    for (std::string_view rest = lines; !rest.empty();) {
        const ssize_t sent = ::send(control, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent < 0) return 1;
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return 0;
}

/// Until the other side ends, or `limit` has passed.
std::string read_all(int fd, Duration limit) {
    const std::int64_t end = EventLoop::monotonic_ns() + limit.ns;
    std::string text;
    for (std::array<char, 4096> block{};;) {
        const std::int64_t left_ms = (end - EventLoop::monotonic_ns()) / 1'000'000;
        pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
        if (left_ms <= 0) return text;
        if (::poll(&ready, 1, static_cast<int>(left_ms)) <= 0) continue;
        const ssize_t count = ::read(fd, block.data(), block.size());
        if (count <= 0) return text;
        text.append(block.data(), static_cast<std::size_t>(count));
        if (text.ends_with("\n.\n") || text == ".\n") return text;
    }
}

}  // namespace

Result<std::unique_ptr<Captures>> Captures::start(const std::vector<CapturePoint>& points,
                                                  std::int64_t epoch_ns) {
    const std::size_t blocks = std::clamp(
        all_rings_bytes / PacketRing::block_bytes / std::max<std::size_t>(1, points.size()),
        fewest_blocks, most_blocks);
    std::vector<CaptureFile> files;
    for (const CapturePoint& point : points) {
        OVERLAB_TRY(CaptureFile file, CaptureFile::open(point, blocks));
        files.push_back(std::move(file));
    }
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return no_capture("socketpair");
    Fd ours(ends[0]);
    const Fd theirs(ends[1]);
    const std::int64_t shift_ns = monotonic_minus_wall_ns() - epoch_ns;
    OVERLAB_TRY(Process process, Process::fork([&] {
                    ours.close();
                    return capture(files, theirs.get(), shift_ns);
                }));
    return std::unique_ptr<Captures>(new Captures(std::move(process), std::move(ours)));
}

Result<std::vector<std::string>> Captures::stop() {
    ::shutdown(control_.get(), SHUT_WR);
    const std::string text = read_all(control_.get(), stop_limit);
    const auto status = process_.wait(stop_limit);
    if (!status || !status->clean() || !text.ends_with(".\n")) {
        return fail(ErrorKind::unavailable,
                    fmt::format("captures: the capturing process did not finish ({})",
                                status ? status->to_string() : "no end"));
    }
    std::vector<std::string> remarks;
    for (std::string_view rest = text; rest != ".\n";) {
        const std::size_t end = rest.find('\n');
        std::string line(rest.substr(0, end));
        rest.remove_prefix(end + 1);
        if (line.starts_with('!')) return fail(ErrorKind::unavailable, line.substr(1));
        remarks.push_back(std::move(line));
    }
    return remarks;
}

}  // namespace overlab::real
