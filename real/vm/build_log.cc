#include "real/vm/build_log.h"

#include <algorithm>
#include <fstream>

namespace overlab::real {

double BuildSteps::count() {
    std::ifstream file(log_, std::ios::binary);
    file.seekg(read_);
    // A line without its end is still being written.
    for (std::string line; std::getline(file, line) && !file.eof();) {
        read_ += static_cast<std::streamoff>(line.size() + 1);
        if (line.starts_with("  ") && line.size() > 2 && line[2] >= 'A' && line[2] <= 'Z') ++count_;
    }
    return count_;
}

std::string last_lines(std::string_view text, std::size_t count) {
    std::size_t start = text.size();
    while (start > 0 && count > 0) {
        start = text.rfind('\n', start - 1);
        if (start == std::string_view::npos) return std::string(text);
        // The one at the very end closes a line and opens none.
        if (start + 1 < text.size()) --count;
    }
    return std::string(text.substr(std::min(start + 1, text.size())));
}

}  // namespace overlab::real
