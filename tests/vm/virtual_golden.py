#!/usr/bin/env python3
"""Golden traces: what each backend puts on the wire in virtual time, compared with tests/golden/virtual/VERSION.json.

    python3 tests/vm/virtual_golden.py PROGRAM [--update]

A golden file belongs to one kernel (source version and digest of the configuration). It holds a digest of every
link's frames (time, length, octets) and, for people, what one sees of them. Where the digests differ and packages
or compiler are not those it was made with, this is no failure but a test skipped, with the reason.
"""

import argparse
import collections
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import virtual_runs

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/virtual"
COMMAND = "python3 tests/vm/virtual_golden.py build/release/cli/overlab --update"
# Programs and libraries that do the guest's work: one system call more in them is another trace.
PACKAGES = ["charon-systemd", "libc6", "libcurl3-gnutls", "libevent-2.1-7", "libnftables1", "libstdc++6"]

ENHANCED_PACKET = 6
ARP, IPV4 = 0x0806, 0x0800
IP_PROTOCOLS = {1: "icmp", 4: "ipip", 6: "tcp", 17: "udp", 50: "esp"}
PORTS = {500: "ike", 2379: "store", 4500: "ike or esp in udp", 8285: "flannel udp", 8472: "vxlan", 51820: "wireguard"}


def frames(capture):
    """Time in ns, length on the wire and octets of each frame of a pcapng file as ours are."""
    data = capture.read_bytes()
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == ENHANCED_PACKET:
            _, high, low, captured, original = struct.unpack_from("<IIIII", data, at + 8)
            yield (high << 32) + low, original, data[at + 28:at + 28 + captured]
        at += length


def kind_of(frame):
    """What a frame is on the wire; not what it carries."""
    ethertype, = struct.unpack_from(">H", frame, 12)
    if ethertype != IPV4:
        return "arp" if ethertype == ARP else f"ethertype {ethertype:#06x}"
    name = IP_PROTOCOLS.get(frame[23], f"ip protocol {frame[23]}")
    fragment_offset, = struct.unpack_from(">H", frame, 20)
    if fragment_offset & 0x1fff:
        return "later fragment"
    if name not in ("tcp", "udp"):
        return name
    ports = struct.unpack_from(">HH", frame, 14 + 4 * (frame[14] & 15))
    return next((PORTS[port] for port in ports if port in PORTS), name)


def summary(capture):
    digest = hashlib.sha256()
    kinds = collections.Counter()
    octets, times = 0, []
    for time_ns, length, frame in frames(capture):
        digest.update(struct.pack("<QII", time_ns, length, len(frame)) + frame)
        kinds[kind_of(frame)] += 1
        octets += length
        times.append(time_ns)
    return {"bytes": octets, "first_ns": min(times), "frames": len(times), "frames_of": dict(sorted(kinds.items())),
            "last_ns": max(times), "sha256": digest.hexdigest()}


def package_versions():
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return dict(line.split() for line in done.stdout.splitlines() if " " in line.strip())


def compiler(program):
    printed = subprocess.run([program, "version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search(r"compiled by (.*)", printed)[1]


def traces(program):
    """A summary of each backend's captures, by backend and link."""
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "out"
        runs = virtual_runs.compare(program, "golden.json", out)
        found = {}
        for backend, run in runs.by_backend.items():
            if run["unavailable"]:
                sys.exit(f"{backend}: {run['unavailable']}")
            files = sorted((out / "captures" / f"{backend}-seed{run['seed']}-vm").glob("*.pcapng"))
            found[backend] = {capture.stem: summary(capture) for capture in files}
        return found


def differences(golden, seen, place=""):
    """Lines: what is another."""
    if isinstance(golden, dict) and isinstance(seen, dict):
        lines = []
        for key in sorted(golden.keys() | seen.keys()):
            lines += differences(golden.get(key), seen.get(key), f"{place}/{key}")
        return lines
    return [] if golden == seen else [f"{place}: {golden} became {seen}"]


def check(golden, seen):
    wrong = differences(golden["traces"], seen["traces"])
    if not wrong:
        return 0
    print("\n".join(wrong))
    elsewhere = differences(golden["made_with"], seen["made_with"])
    if elsewhere:
        print("skipped: the traces differ, but they were made with others than are here:\n" + "\n".join(elsewhere))
        return virtual_runs.SKIPPED
    print(f"the traces differ. If that is meant: {golden['command']}")
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--update", action="store_true", help="write the golden file anew")
    arguments = parser.parse_args()
    kernel = virtual_runs.kernel_or_skip(arguments.program)
    path = GOLDEN / f"{kernel['version']}.json"
    golden = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    here = {key: kernel[key] for key in ("digest", "version")}
    if not arguments.update and (golden is None or golden["kernel"] != here):
        known = ", ".join(sorted(file.stem for file in GOLDEN.glob("*.json")))
        print(f"skipped: no golden traces of kernel {here['version']} with configuration {here['digest']} "
              f"(there are: {known or 'none'}; {COMMAND})")
        return virtual_runs.SKIPPED
    seen = {"command": COMMAND, "kernel": here,
            "made_with": {"compiler": compiler(arguments.program), "packages": package_versions()},
            "traces": traces(arguments.program)}
    if not arguments.update:
        return check(golden, seen)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(seen, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
