// Preloaded into User-mode Linux in virtual time. Two things would else differ from run to run
// whatever the guest does:
//
//  - what its kernel gets from the machine's getrandom(), from which everything random in the guest
//    follows;
//  - the processor's time stamp counter, which programs in the guest read without asking any
//    kernel. Go seeds its scheduler's and its maps' order with it, so etcd never did the same
//    twice.
//
// The counter can be forbidden to a process (prctl(2), PR_SET_TSC): reading it then is a fault.
// User-mode Linux runs the guest's processes as children that it traces, so every fault of theirs
// passes through its waitpid(). Ours answers those of the counter itself and lets the child go on;
// User-mode Linux never hears of them.
//
// Linked with nothing but libc, no C++ runtime: it lives in somebody else's process.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "real/vm/pin/seed_file.h"

namespace {

/// xorshift64: any stream does; the kernel's own generator makes random numbers of it.
class SeededBytes {
   public:
    std::uint8_t next() {
        if (state_ == 0) {
            constexpr std::uint64_t golden_ratio = 0x9E3779B97F4A7C15U;
            state_ = golden_ratio ^ read_seed();
            if (state_ == 0) state_ = golden_ratio;
        }
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return static_cast<std::uint8_t>(state_ >> 24U);
    }

   private:
    static std::uint64_t read_seed() {
        char text[24] = {};  // NOLINT(*-avoid-c-arrays): no C++ runtime here
        const int file = ::open(overlab::real::pin_seed_file, O_RDONLY | O_CLOEXEC);
        const ssize_t length = ::read(file, text, sizeof text - 1);
        ::close(file);
        return length > 0 ? std::strtoull(text, nullptr, 10) : 0;
    }

    std::uint64_t state_ = 0;
};

/// Ascends by uneven steps: some readers take an even pace for a broken counter.
class Counter {
   public:
    std::uint64_t next() {
        constexpr std::uint64_t least = 1000, spread = 509;
        mix_ = mix_ * 6364136223846793005U + 1442695040888963407U;  // Knuth's MMIX
        return value_ += least + (mix_ >> 33U) % spread;
    }

   private:
    std::uint64_t value_ = 0, mix_ = 0;
};

SeededBytes entropy;
Counter counter;
/// How the tracer let its children run the last time, and so how to let one go on.
long resume = PTRACE_CONT;

constexpr long ptrace_sysemu = 31, ptrace_sysemu_singlestep = 32;  // Linux asm/ptrace-abi.h

long trace(long request, long pid, void* address, void* data) {
    return ::syscall(SYS_ptrace, request, pid, address, data);
}

/// Bytes of the instruction at `rip` if it reads the counter, else 0.
unsigned counter_read(pid_t pid, std::uint64_t rip, bool& with_processor) {
    long word = 0;
    // An address in another process. NOLINTNEXTLINE(performance-no-int-to-ptr)
    void* const address = reinterpret_cast<void*>(rip);
    if (trace(PTRACE_PEEKTEXT, pid, address, &word) != 0) return 0;
    with_processor = (word & 0xffffff) == 0xf9010f;  // rdtscp
    if (with_processor) return 3;
    return (word & 0xffff) == 0x310f ? 2 : 0;  // rdtsc
}

/// True if the child's fault was a reading of the counter; it then has its answer and runs again.
bool answer_counter(pid_t pid) {
    siginfo_t fault;
    // A page fault has another code; this one is "general protection".
    if (trace(PTRACE_GETSIGINFO, pid, nullptr, &fault) != 0 || fault.si_code != SI_KERNEL)
        return false;
    user_regs_struct registers;
    if (trace(PTRACE_GETREGS, pid, nullptr, &registers) != 0) return false;
    bool with_processor = false;
    const unsigned length = counter_read(pid, registers.rip, with_processor);
    if (length == 0) return false;
    const std::uint64_t value = counter.next();
    registers.rax = static_cast<std::uint32_t>(value);
    registers.rdx = value >> 32U;
    if (with_processor) registers.rcx = 0;
    registers.rip += length;
    return trace(PTRACE_SETREGS, pid, nullptr, &registers) == 0 &&
           trace(resume, pid, nullptr, nullptr) == 0;
}

bool lets_run(long request) {
    return request == PTRACE_CONT || request == PTRACE_SYSCALL || request == PTRACE_SINGLESTEP ||
           request == ptrace_sysemu || request == ptrace_sysemu_singlestep;
}

}  // namespace

extern "C" {

ssize_t getrandom(void* buffer, size_t length, unsigned /*flags*/) {
    auto* bytes = static_cast<std::uint8_t*>(buffer);
    for (size_t i = 0; i < length; ++i) bytes[i] = entropy.next();
    return static_cast<ssize_t>(length);
}

// glibc's own declaration has an enumeration for `request`; callers pass an int in its place.
long ptrace(enum __ptrace_request request, ...) noexcept {
    va_list more;
    va_start(more, request);
    const long pid = va_arg(more, long);
    void* const address = va_arg(more, void*);
    void* const data = va_arg(more, void*);
    va_end(more);
    // A child that offers itself for tracing is going to be the guest's.
    if (request == PTRACE_TRACEME && ::prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) != 0) {
        ::dprintf(STDERR_FILENO, "overlab guest: prctl(PR_SET_TSC) is refused here\n");
        ::_exit(1);  // Without it a run would only look as if it could be repeated.
    }
    if (lets_run(request)) resume = request;
    if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSER)
        return trace(request, pid, address, data);
    long word = 0;  // ptrace(2): the system call writes it, libc returns it.
    return trace(request, pid, address, &word) < 0 ? -1 : word;
}

// libc's names are reserved. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name)
pid_t waitpid(pid_t pid, int* status, int options) {
    for (;;) {
        int state = 0;
        const auto child = static_cast<pid_t>(::syscall(SYS_wait4, pid, &state, options, nullptr));
        if (status != nullptr && child > 0) *status = state;
        const bool faulted = child > 0 && WIFSTOPPED(state) && WSTOPSIG(state) == SIGSEGV;
        if (!faulted || !answer_counter(child)) return child;
    }
}

}  // extern "C"
