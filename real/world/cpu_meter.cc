#include "real/world/cpu_meter.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace overlab::real {
namespace {

/// proc(5): times in /proc are in clock ticks.
Duration ticks(std::int64_t count) {
    return nanoseconds(count * (1'000'000'000 / ::sysconf(_SC_CLK_TCK)));
}

}  // namespace

Duration CpuMeter::softirq_time() {
    // cpu user nice system idle iowait irq softirq ...
    std::ifstream file("/proc/stat");
    std::string name;
    std::int64_t value = 0;
    file >> name;
    for (int column = 0; column < 7; ++column) file >> value;
    return ticks(value);
}

Duration CpuMeter::process_time(int pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(file, text);
    // The command's name may hold anything, so count from the parenthesis after it: state is the
    // first field, utime and stime the 12th and 13th, those of waited-for children follow.
    const std::size_t after_name = text.rfind(')');
    if (after_name == std::string::npos) return {};
    std::istringstream fields(text.substr(after_name + 1));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    std::int64_t total = 0;
    for (int i = 0; i < 4; ++i) {
        std::int64_t value = 0;
        fields >> value;
        total += value;
    }
    return ticks(total);
}

}  // namespace overlab::real
