// Prints what the processor's time stamp counter says, as programs read it: without any kernel.
#include <x86intrin.h>

#include <cstdio>

int main() {
    for (int i = 0; i < 4; ++i) {
        unsigned processor = 0;
        std::printf("%llu", __rdtsc());
        std::printf(" %llu\n", __rdtscp(&processor));
    }
    return 0;
}
