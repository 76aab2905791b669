#include "real/tun/tun_writer.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "models/base/check.h"
#include "real/base/event_loop.h"
#include "real/tun/coalescer.h"

namespace overlab::real {

void TunWriter::write(const VnetHeader& vnet, std::span<const iovec> pieces) {
    std::array<iovec, Coalescer::max_packets + 1> all;
    CHECK(pieces.size() < all.size());
    // writev() does not write to the header, but its type cannot say so.
    VnetHeader header = vnet;
    std::size_t count = 0;
    if (headers_ == Headers::vnet) all[count++] = {&header, sizeof header};
    std::ranges::copy(pieces, all.begin() + static_cast<std::ptrdiff_t>(count));
    count += pieces.size();
    while (::writev(tun_.get(), all.data(), static_cast<int>(count)) < 0) {
        if (errno == EINTR) continue;
        if (errno == EAGAIN && stop_.wait(tun_, POLLOUT)) continue;
        tally_.deliver_failed.add(1);
        return;
    }
}

void TunWriter::report_unreachable(std::span<const std::uint8_t> packet) {
    if (!limit_.allow(EventLoop::monotonic_ns())) return;
    auto answer = NetUnreachable::answer_to(packet);
    if (!answer) return;
    const iovec piece{answer->bytes().data(), answer->bytes().size()};
    write({}, {&piece, 1});
}

}  // namespace overlab::real
