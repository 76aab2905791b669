// Measures something in a child process: its own CPU time and memory, its own ns-3.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace overlab::bench {

/// CPU time of this process, all threads, in seconds. A measure of work, and not of the machine's
/// load.
inline double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}
inline double wall_seconds() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(now).count();
}

/// What a measurement tells its parent.
struct Sample {
    double setup_cpu_s = 0, cpu_s = 0, wall_s = 0;
    double amount = 0;  ///< of whatever was measured: hops, bits, rows
    double detail = 0;  ///< a second number, named by the measurement
    double peak_rss_mb = 0;
};

/// Runs `measure` (returning a Sample) in a forked child. Empty if the child failed.
template <typename Measure>
std::optional<Sample> in_child(Measure measure) {
    int ends[2];
    if (pipe(ends) != 0) return std::nullopt;
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        const Sample sample = measure();
        const bool told = write(ends[1], &sample, sizeof sample) == sizeof sample;
        _exit(told ? 0 : 1);
    }
    close(ends[1]);
    Sample sample;
    const bool heard = child > 0 && read(ends[0], &sample, sizeof sample) == sizeof sample;
    close(ends[0]);
    int status = 0;
    rusage usage{};
    const bool ended = child > 0 && wait4(child, &status, 0, &usage) == child;
    if (!heard || !ended || status != 0) return std::nullopt;
    sample.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024.0;
    return sample;
}

}  // namespace overlab::bench
