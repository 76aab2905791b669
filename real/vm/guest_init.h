// The shell scripts that a guest runs, from its first process to its power-off. They are run by
// busybox, because a guest's first process has nothing else to lean on yet.
//
// The chain: an engine's own beginning (uml_init; qemu_init, which the initramfs reaches through
// initramfs_init) sets up the new root and then reads `guest`, the same for all engines. Between
// the two hold these variables:
//   $b    busybox            $N    the new root, writable        $J    the job's folder, writable
//   $out  where output goes  share NUMBER FROM PATH   mounts a shared folder at $N$PATH
// and of the job's head (guest_job.cc): $shares, the runs' folder $runs, and $host.
#pragma once

#include <string_view>

namespace overlab::real::guest_scripts {

extern const std::string_view uml_init;
extern const std::string_view qemu_init;
extern const std::string_view guest;
/// /init of the initramfs. It is kept in the user's cache, so it does as little as possible.
extern const std::string_view initramfs_init;
/// Makes the initramfs: arguments MODULES_FOLDER VERSION OUTPUT BUSYBOX INIT.
extern const std::string_view pack_initramfs;
/// A canary's command: prints `kernel VERSION`, and `has FEATURE` for what the kernel can do.
extern const std::string_view probe;

}  // namespace overlab::real::guest_scripts
