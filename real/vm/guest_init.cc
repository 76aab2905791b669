#include "real/vm/guest_init.h"

namespace overlab::real::guest_scripts {

// The root is the machine's own, through hostfs and read-only; /mnt serves as room for the guest's
// own mounts. Modules of Debian's kernel are found in $modules; a kernel of one's own has all built
// in. In virtual time output goes to a file: a terminal that the machine reads from would interrupt
// the guest at moments of the machine's choice.
const std::string_view uml_init = R"sh(
export PATH=/sbin:/bin:/usr/sbin:/usr/bin
room=/mnt kernel=$($b uname -r)
give_up() { $b echo "overlab guest: $*"; $b poweroff -f; }
$b mount -t proc proc /proc
$b mount -t tmpfs room $room && $b mkdir $room/upper $room/work $room/root $room/job
m=$modules/$kernel
$b grep -qw overlay /proc/filesystems || $b insmod $m/kernel/fs/overlayfs/overlay.ko
$b mount -t overlay -o lowerdir=/,upperdir=$room/upper,workdir=$room/work overlay $room/root ||
    give_up "no overlayfs in this kernel, nor a module of it in $m"
$b mount -t hostfs job $room/job -o sync,$host || give_up "hostfs: cannot mount $host"
$b grep -q ' /dev ' /proc/mounts || $b mount -t devtmpfs dev /dev
N=$room/root J=$room/job
if [ -d $m ]; then
    $b mkdir -p $N/lib/modules
    $b ln -sfn $m $N/lib/modules/$kernel
    # The kernel loads modules by itself when it is given a program that can.
    $b echo "#!$b sh
exec $b chroot $N $b modprobe \"\$@\"" > $room/modprobe
    $b chmod +x $room/modprobe
    $b echo $room/modprobe > /proc/sys/kernel/modprobe
fi
share() { $b mount -t hostfs share$1 "$N$3" -o "$2"; }
if $b grep -q time-travel /proc/cmdline; then
    out=$J/output
    drain() { :; }
else
    out=/dev/tty1
    # The output device is a terminal; as it comes it would turn \n into \r\n.
    $b stty raw < $out
    drain() { $b stty raw < $out; }  # waits until the machine has taken everything
fi
. $J/guest
)sh";

const std::string_view qemu_init = R"sh(
p9=trans=virtio,version=9p2000.L,msize=524288
give_up() { $b echo "overlab guest: $*" > /dev/console; $b poweroff -f; }
$b mkdir -p /host /room
$b mount -t 9p -o $p9,ro,cache=loose root /host || give_up "9p: cannot mount the root"
$b mount -t tmpfs room /room && $b mkdir /room/upper /room/work /room/root
$b mount -t overlay -o lowerdir=/host,upperdir=/room/upper,workdir=/room/work overlay /room/root ||
    give_up "no overlayfs in this kernel"
N=/room/root J=/job out=/dev/null
for port in /sys/class/virtio-ports/*; do
    [ "$($b cat $port/name)" = output ] && out=/dev/${port##*/}
done
share() { $b mount -t 9p -o $p9,cache=mmap share$1 "$N$3"; }
drain() { :; }  # a write returns when the machine has taken it
. $J/guest
)sh";

const std::string_view guest = R"sh(
for d in proc sys dev run tmp; do $b mkdir -p $N/$d; done
$b mount -t proc proc $N/proc
$b mount -t sysfs sys $N/sys
$b mount -t devtmpfs dev $N/dev
$b mkdir -p $N/dev/pts $N/dev/shm $N/dev/net
$b mount -t devpts devpts $N/dev/pts
$b mount -t tmpfs shm $N/dev/shm
$b mount -t tmpfs run $N/run
$b mount -t cgroup2 cgroup $N/sys/fs/cgroup 2> /dev/null
[ -e $N/dev/net/tun ] || $b mknod $N/dev/net/tun c 10 200
# The machine's own runs are none of the guest's business: locks do not reach across, so a sweep
# would take them for dead.
$b mkdir -p "$N$runs" && $b mount -t tmpfs -o mode=700 runs "$N$runs"
i=0
eval "set -- $shares"
while [ $# -gt 0 ]; do
    $b mkdir -p "$N$2"
    share $i "$1" "$2" || give_up "cannot mount $1"
    i=$((i+1))
    shift 2
done
$b ip link set lo up
# A tunnel module would else put a device of its own into every namespace.
$b echo 2 > /proc/sys/net/core/fb_tunnels_only_for_init_net
$b cp $J/command $N/run/overlab-command
# Through a pipe, so that the command does not take the output for a terminal.
$b mkfifo $N/run/overlab-output
$b cat $N/run/overlab-output > $out &
cat=$!
$b chroot $N /bin/sh /run/overlab-command < /dev/null > $N/run/overlab-output 2>&1
code=$?
# What the command left running would keep the pipe open.
for p in /proc/[0-9]*; do
    p=${p#/proc/}
    [ $p -gt 1 ] && [ $p != $cat ] && kill -9 $p 2> /dev/null
done
wait $cat
drain
$b echo $code > $J/code.new && $b mv $J/code.new $J/code
$b sync
$b poweroff -f
)sh";

const std::string_view initramfs_init = R"sh(#!/bin/busybox sh
export PATH=/bin:/sbin
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
cd /lib/modules/$($b uname -r)
while read module; do $b insmod $module; done < /boot-modules
cd /
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=none job /job || {
    $b echo "overlab guest: 9p: cannot mount the job's folder" > /dev/console
    $b poweroff -f
}
. /job/init
)sh";

// insmod in a known order instead of modprobe for what the boot needs: modprobe takes seconds under
// TCG.
const std::string_view pack_initramfs = R"sh(
set -e
exec 2>&1
from=$1 version=$2 out=$3 b=$4 init=$5
work=$out.work
$b rm -rf "$work"
to=$work/lib/modules/$version
$b mkdir -p "$work/bin" "$work/sbin" "$work/proc" "$work/sys" "$work/dev" "$work/job" "$to"
$b cp "$b" "$work/bin/busybox"
$b ln -s /bin/busybox "$work/sbin/modprobe"
$b cp "$init" "$work/init"
$b chmod +x "$work/init"
cd "$from"
for part in net/9p net/802 net/8021q net/bridge net/core net/ipv4 net/ipv6 net/llc net/netfilter \
    net/sched net/xfrm net/key net/packet net/unix net/netlink net/l3mdev net/psample \
    crypto arch/x86/crypto lib fs/9p fs/netfs fs/fscache fs/overlayfs drivers/virtio \
    drivers/char/virtio_console.ko drivers/net/veth.ko drivers/net/dummy.ko drivers/net/tun.ko \
    drivers/net/ifb.ko drivers/net/macvlan.ko drivers/net/vrf.ko drivers/net/vxlan \
    drivers/net/wireguard; do
    for found in kernel/$part kernel/$part.xz kernel/$part.zst; do
        [ -e $found ] && $b find $found -name '*.ko*'
    done || :
done | $b cpio -o -H newc 2> /dev/null | (cd "$to" && $b cpio -id 2> /dev/null)
$b cp modules.builtin modules.order "$to/" 2> /dev/null || :
$b find "$to" -name '*.ko.xz' | while read f; do $b unxz "$f"; done
$b find "$to" -name '*.ko.zst' | while read f; do zstd -d -q --rm "$f"; done
$b depmod -b "$work" "$version"
cd "$to"
depends() {
    for need in $($b sed -n "s|^[^:]*/$1.ko: *||p" modules.dep | $b tr ' ' '\n' | $b tac) \
        $($b sed -n "s|^\([^:]*/$1.ko\):.*|\1|p" modules.dep); do $b echo $need; done
}
for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do depends $module; done |
    $b awk '!seen[$0]++' > "$work/boot-modules"
cd "$work"
$b find . | $b cpio -o -H newc -R 0:0 > "$out.new" 2> /dev/null
$b mv "$out.new" "$out"
$b rm -rf "$work"
)sh";

const std::string_view probe = R"sh(
echo "kernel $(uname -r)"
for tool in ip tc nft; do command -v $tool > /dev/null || echo "lacks $tool"; done
has() { feature=$1; shift; "$@" > /dev/null 2>&1 && echo "has $feature"; }
has esp ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 reqid 1 mode tunnel \
    aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128
has netem tc qdisc add dev lo root netem delay 1ms
has ipip ip link add probe0 type ipip local 192.0.2.1 remote 192.0.2.2
has wireguard ip link add probe1 type wireguard
has nat nft 'add table ip probe; add chain ip probe post { type nat hook postrouting priority 100; };
    add rule ip probe post masquerade'
exit 0
)sh";

}  // namespace overlab::real::guest_scripts
