// Progress: one moving line on standard error, for a person who waits. Silent unless standard error
// is a terminal and the work takes longer than two seconds.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace overlab::cli {

/// `vxlan, host-gw: 42 %, 12 s left`. Nothing is said of the time left while too little is done to
/// know.
[[nodiscard]] std::string progress_text(const std::vector<std::string>& running, double done,
                                        double elapsed_s);

class Progress {
   public:
    Progress(std::size_t parts, bool enabled);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress();

    /// Part `index` is done to this fraction, 0 to 1.
    void update(std::size_t index, double fraction);

    /// Draws at most five times a second. `running`: names of the parts at work.
    void draw(const std::vector<std::string>& running);

    /// Takes the line off the terminal, so that something else can be printed.
    void clear();

   private:
    using Clock = std::chrono::steady_clock;

    std::vector<double> fractions_;
    bool enabled_;
    bool drawn_ = false;
    Clock::time_point start_ = Clock::now();
    Clock::time_point last_ = start_;
};

}  // namespace overlab::cli
