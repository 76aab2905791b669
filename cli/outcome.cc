#include "cli/outcome.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include "results/report_codec.h"

namespace overlab::cli {
namespace {

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

std::string error_line(const Error& error) {
    std::string what = error.what;
    std::ranges::replace(what, '\n', ' ');
    return fmt::format("e {} {} {}\n", static_cast<int>(error.kind), error.os_errno, what);
}

/// Takes a number and the blank after it off the front of `text`.
template <typename T>
bool take_number(std::string_view& text, T& value) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return true;
}

}  // namespace

std::function<void(std::int64_t, std::int64_t)> OutcomeWriter::progress() const {
    return [fd = fd_, last = std::int64_t{-1}](std::int64_t now_ns, std::int64_t end_ns) mutable {
        const std::int64_t step = end_ns <= 0 ? 0 : now_ns / (end_ns / 200 + 1);
        // A reader that is gone ends this process by itself (PR_SET_PDEATHSIG).
        if (step != std::exchange(last, step))
            (void)write_all(fd, fmt::format("p {} {}\n", now_ns, end_ns));
    };
}

bool OutcomeWriter::tell(const Result<RunReport>& outcome) const {
    return write_all(fd_, outcome ? fmt::format("r {}\n", encode_report(*outcome))
                                  : error_line(outcome.error()));
}

bool OutcomeReader::feed(std::string_view text) {
    buffer_.append(text);
    std::size_t begin = 0;
    bool understood = true;
    for (std::size_t end = buffer_.find('\n'); end != std::string::npos;
         end = buffer_.find('\n', begin)) {
        understood = take_line(std::string_view(buffer_).substr(begin, end - begin)) && understood;
        begin = end + 1;
    }
    buffer_.erase(0, begin);
    return understood;
}

bool OutcomeReader::take_line(std::string_view line) {
    if (line.size() < 2 || line[1] != ' ') return false;
    const char what = line.front();
    line.remove_prefix(2);
    if (what == 'p') {
        std::int64_t now_ns = 0;
        std::int64_t end_ns = 0;
        if (!take_number(line, now_ns) || !take_number(line, end_ns)) return false;
        fraction_ = end_ns <= 0 ? 0 : static_cast<double>(now_ns) / static_cast<double>(end_ns);
        return true;
    }
    if (what == 'r') {
        told_ = decode_report(line);
        return true;
    }
    int kind = 0;
    int os_errno = 0;
    if (what != 'e' || !take_number(line, kind) || !take_number(line, os_errno)) return false;
    told_ = fail(static_cast<ErrorKind>(kind), std::string(line), os_errno);
    return true;
}

}  // namespace overlab::cli
