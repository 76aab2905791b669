// Measures something in a child process: its own CPU time and memory, its own ns-3.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <optional>

namespace overlab::bench {

inline double cpu_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}
inline double wall_seconds() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
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
