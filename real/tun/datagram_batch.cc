#include "real/tun/datagram_batch.h"

#include <cstring>

#include "models/base/check.h"

namespace overlab::real {

void DatagramBatch::commit(Endpoint to, std::size_t bytes) {
    CHECK(bytes > 0);
    CHECK(bytes <= capacity_ - used_);
    if (!runs_.empty()) {
        Run& run = runs_.back();
        if (run.open && run.to == to && bytes <= run.datagram_bytes &&
            run.bytes + bytes <= max_run_bytes) {
            run.bytes += bytes;
            ++run.datagrams;
            run.open = bytes == run.datagram_bytes && run.datagrams < max_datagrams &&
                       run.bytes + bytes <= max_run_bytes;
            used_ += bytes;
            return;
        }
        run.open = false;
    }
    runs_.push_back({.to = to,
                     .offset = used_,
                     .bytes = bytes,
                     .datagram_bytes = bytes,
                     .datagrams = 1,
                     .open = true});
    used_ += bytes;
}

std::span<const DatagramBatch::Run> DatagramBatch::finished_runs() const {
    const bool grows = !runs_.empty() && runs_.back().open;
    return std::span<const Run>(runs_).first(runs_.size() - (grows ? 1 : 0));
}

void DatagramBatch::remove(std::size_t count) {
    CHECK(count <= runs_.size());
    const std::size_t gone = count == runs_.size() ? used_ : runs_[count].offset;
    if (gone > 0 && gone < used_) {
        std::memmove(buffer_.get(), buffer_.get() + gone, used_ - gone);
    }
    used_ -= gone;
    runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(count));
    for (Run& run : runs_) run.offset -= gone;
}

}  // namespace overlab::real
