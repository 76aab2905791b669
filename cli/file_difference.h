// The first octet in which two files differ, and in captures the frame that holds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/base/error.h"

namespace overlab::cli {

struct FileDifference {
    std::uint64_t octet = 0;      ///< from 0; where the shorter file ends if that is all
    bool end_of_shorter = false;  ///< one file is the beginning of the other
    std::uint64_t frame = 0;      ///< in the first file, from 1 as Wireshark counts; 0: in none
    std::int64_t frame_time_ns = 0;

    /// `frame 12 (1.200000001 s), octet 4711`.
    [[nodiscard]] std::string to_string() const;
};

/// Nothing if they are the same. Frames are told where `first` is a pcapng file as ours are
/// (little-endian, nanoseconds). Errors: unavailable, a file that cannot be read.
[[nodiscard]] Result<std::optional<FileDifference>> file_difference(const std::string& first,
                                                                    const std::string& second);

}  // namespace overlab::cli
