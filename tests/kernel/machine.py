"""What a run may leave on the machine, and places in which to look for it undisturbed.

Tests run as first process of a process namespace of their own, with /tmp and /proc of their own, so that what
they find there is theirs. The network is the machine's: nothing of it may change.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

SKIPPED = 77  # tests/CMakeLists.txt tells ctest
INSIDE = "OVERLAB_TEST_INSIDE"
TREE = pathlib.Path(__file__).resolve().parents[2]


def enter_own_place():
    """Starts this very test again in there, and ends with its exit code; returns if we are there."""
    if os.environ.get(INSIDE):
        hide_tmp()
        return
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        print("skipped: this user may not make namespaces")
        sys.exit(SKIPPED)
    done = subprocess.run([*unshare, sys.executable, "-B", *sys.argv], check=False, env={**os.environ, INSIDE: "1"})
    sys.exit(done.returncode)


def hide_tmp():
    """An empty /tmp, but for the source tree if that is where it lies."""
    inside = TREE.is_relative_to("/tmp")
    if inside:
        subprocess.run(["mount", "--rbind", str(TREE), "/mnt"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmp", "/tmp"], check=True)
    if inside:
        TREE.mkdir(parents=True)
        subprocess.run(["mount", "--rbind", "/mnt", str(TREE)], check=True)


def beyond_tmp(path):
    """The same file at a place that stays when something is mounted on /tmp."""
    path = pathlib.Path(path).resolve()
    hidden = TREE.is_relative_to("/tmp") and path.is_relative_to(TREE)
    return pathlib.Path("/mnt") / path.relative_to(TREE) if hidden else path


def processes():
    """Everybody who lives here but us: number and command."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            state = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            if state != "Z":  # its parent is gone, and we, who inherit it, do not wait for it
                found[int(entry.name)] = (entry / "cmdline").read_text(encoding="utf-8").replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            pass  # gone meanwhile
    return found


def network_namespaces():
    """Those that somebody is in or has mounted."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                found.add(os.readlink(entry / "ns/net"))
        except OSError:
            pass  # gone meanwhile, or a zombie
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        if " - nsfs " in line and "net:[" in line:
            found.add(line.split()[3])
    return found


def without_ages(value):
    """Lifetimes of addresses count down by themselves."""
    if isinstance(value, dict):
        return {key: without_ages(each) for key, each in value.items() if not key.endswith(("_lft", "_life_time"))}
    return [without_ages(each) for each in value] if isinstance(value, list) else value


def network():
    """The machine's interfaces, routes and packet filter, as far as there are programs that tell."""
    told = {}
    for command in (["ip", "-j", "addr"], ["ip", "-j", "-4", "route", "show", "table", "all"],
                    ["ip", "-j", "-6", "route", "show", "table", "all"]):
        if shutil.which("ip"):
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            told[" ".join(command)] = without_ages(json.loads(printed or "[]"))
    if shutil.which("nft"):
        told["nft"] = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=False).stdout
    return told


def run_folders():
    """What runs of this user have in /tmp."""
    base = pathlib.Path(f"/tmp/overlab-{os.geteuid()}")
    return sorted(path.name for path in base.glob("run-*"))


def wait_until(true, limit_s=10):
    """False if that did not happen in time."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
