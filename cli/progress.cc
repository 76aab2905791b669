#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string_view>
#include <utility>

#include "cli/terminal.h"

namespace overlab::cli {
namespace {

constexpr std::chrono::seconds silent_at_first{2};
constexpr std::chrono::milliseconds redraw_every{200};
constexpr std::string_view erase_line = "\r\x1b[K";
constexpr std::size_t bar_width = 24;

std::string time_left(double seconds) {
    const auto whole = std::lround(seconds);
    return whole < 120 ? fmt::format("{} s left", whole)
                       : fmt::format("{} min left", (whole + 30) / 60);
}

}  // namespace

std::string progress_text(const std::vector<std::string>& running, double done, double elapsed_s) {
    const auto filled = static_cast<std::size_t>(done * static_cast<double>(bar_width));
    std::string text =
        fmt::format("[{:#<{}}{:.<{}}] {:3.0f} %", "", filled, "", bar_width - filled, 100 * done);
    // Below two percent the estimate would jump about.
    if (done >= 0.02) text += fmt::format("  {}", time_left(elapsed_s * (1 - done) / done));
    if (!running.empty()) text += fmt::format("  ({})", fmt::join(running, "; "));
    return text;
}

Progress::Progress(std::size_t parts, bool enabled)
    : fractions_(parts, 0.0), enabled_(enabled && is_terminal(Stream::error)) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
    if (!std::exchange(drawn_, false)) return;
    fmt::print(stderr, "{}", erase_line);
    std::fflush(stderr);
}

void Progress::update(std::size_t index, double fraction) {
    fractions_[index] = std::clamp(fraction, 0.0, 1.0);
}

void Progress::draw(const std::vector<std::string>& running) {
    if (!enabled_) return;
    const auto now = Clock::now();
    if (now - start_ < silent_at_first || now - last_ < redraw_every) return;
    last_ = now;
    const double done = std::accumulate(fractions_.begin(), fractions_.end(), 0.0) /
                        static_cast<double>(fractions_.size());
    std::string text =
        progress_text(running, done, std::chrono::duration<double>(now - start_).count());
    const std::size_t width = terminal_width(Stream::error);
    if (width > 0 && text.size() >= width) text.resize(width - 1);
    fmt::print(stderr, "{}{}", erase_line, text);
    std::fflush(stderr);
    drawn_ = true;
}

}  // namespace overlab::cli
