#include "cli/interrupts.h"

#include <sys/signalfd.h>

#include "models/base/check.h"

namespace overlab::cli {

Interrupts::Interrupts() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&wanted, signal);
    CHECK(::sigprocmask(SIG_BLOCK, &wanted, &before_) == 0);
    fd_ = real::Fd(::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC));
    CHECK(fd_.valid());
}

Interrupts::~Interrupts() { restore_mask(); }

int Interrupts::caught() {
    signalfd_siginfo info{};
    if (caught_ == 0 && ::read(fd_.get(), &info, sizeof info) == sizeof info) {
        caught_ = static_cast<int>(info.ssi_signo);
    }
    return caught_;
}

void Interrupts::restore_mask() const { CHECK(::sigprocmask(SIG_SETMASK, &before_, nullptr) == 0); }

}  // namespace overlab::cli
