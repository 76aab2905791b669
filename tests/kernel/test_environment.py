#!/usr/bin/env python3
"""The kernel world on machines that lack something: one line that names the remedy, exit code 2, nothing left.

What is lacking is hidden in a mount or user namespace of the run's own; the machine stays as it is.

    python3 tests/kernel/test_environment.py PROGRAM
"""

import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import machine

PROGRAM = str(machine.beyond_tmp(sys.argv[1] if len(sys.argv) > 1 else "overlab"))
FOLDER = pathlib.Path("/tmp/work")
NOBODY = 65534
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000

SCENARIO = {
    "overlab": 1,
    "name": "pair",
    "duration": "200ms",
    "network": {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}},
    "underlay": {"generate": {"star": {"hosts": 2}}, "link_defaults": {"rate": "100Mbps"}},
    "pods": [{"name": "client", "host": "h1"}, {"name": "server", "host": "h2"}],
    "traffic": [{"name": "rtt", "from": "client", "to": "server", "kind": "request_response", "start": "100ms",
                 "interval": "10ms"}],
}
BULK = {"name": "bulk", "from": "client", "to": "server", "kind": "tcp", "start": "100ms"}
LOSSY = {"nodes": [{"name": "h1"}, {"name": "h2"}, {"name": "switch", "kind": "switch"}],
         "links": [{"ends": ["h1", "switch"], "loss": "1%"}, {"ends": ["h2", "switch"]}]}


def become_nobody():
    """As an ordinary user's shell would have us."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def forbid_user_namespaces():
    """An ordinary user where user.max_user_namespaces is 0: that of a new user namespace only."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("self/setgroups", "deny"), ("self/uid_map", f"{NOBODY} {user} 1"),
                       ("self/gid_map", f"{NOBODY} {group} 1"), ("sys/user/max_user_namespaces", "0")):
        pathlib.Path("/proc", name).write_text(text, encoding="ascii")


class EnvironmentTest(unittest.TestCase):
    def setUp(self):
        # Those of a run in a user namespace belong to somebody else than they say there.
        for folder in [FOLDER, *pathlib.Path("/tmp").glob("overlab-*")]:
            shutil.rmtree(folder, ignore_errors=True)
        FOLDER.mkdir()
        FOLDER.chmod(0o777)
        (FOLDER / "unexecutable").write_text("")
        self.network = machine.network()
        self.addCleanup(lambda: self.assertEqual(machine.network(), self.network))

    @staticmethod
    def doctor():
        printed = subprocess.run([PROGRAM, "doctor", "--format", "json"], capture_output=True, text=True, check=True).stdout
        return json.loads(printed)["backends"]

    def run_in(self, place, scenario, *arguments, become=None):
        """`place`: shell commands that hide something from the run, and from nobody else."""
        (FOLDER / "pair.json").write_text(json.dumps(scenario), encoding="utf-8")
        command = [PROGRAM, "run", "pair.json", "--world", "kernel", "--no-progress", "--out", "out", *arguments]
        if place:
            command = ["unshare", "--mount", "sh", "-ec", place + '; exec "$@"', "sh", *command]
        return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60,
                              preexec_fn=become)

    def assert_nothing_is_left(self):
        self.assertTrue(machine.wait_until(lambda: not machine.processes()), machine.processes())
        self.assertEqual(list(pathlib.Path("/tmp").glob("overlab-*/run-*")), [])

    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assert_nothing_is_left()
        self.assertEqual(sorted(os.listdir(FOLDER)), ["pair.json", "unexecutable"])

    def assert_ran(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_nothing_is_left()
        run = json.loads((FOLDER / "out/result.json").read_text(encoding="utf-8"))["deterministic"]["runs"][0]
        self.assertEqual(run["unreachable"], [])
        self.assertGreater(run["flows"][0]["packets_received"], 0)

    @staticmethod
    def hidden(program):
        return f"mount --bind {FOLDER}/unexecutable {shutil.which(program)}"

    def needs_program(self, program):
        if shutil.which(program) is None:
            self.skipTest(f"{program}: not installed, so it cannot be hidden")

    def needs_root(self):
        if pathlib.Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2] == "1":
            self.skipTest("only root can become somebody else")

    # ---- rights ----

    def test_without_root_and_user_namespaces_both_remedies_are_named(self):
        done = self.run_in("", SCENARIO, become=forbid_user_namespaces)

        self.assert_refused(done, "run as root", "user.max_user_namespaces")

    def test_without_root_vxlan_and_host_gw_work(self):
        self.needs_root()
        for backend in ("vxlan", "host-gw"):
            with self.subTest(backend=backend):
                self.assert_ran(self.run_in("", SCENARIO, "--backend", backend, become=become_nobody))

    def test_without_the_right_to_tun_udp_says_who_can_give_it(self):
        self.needs_root()
        if not os.path.exists("/dev/net/tun") or os.stat("/dev/net/tun").st_mode & 0o006 == 0o006:
            self.skipTest("/dev/net/tun is missing, or open to everybody")

        done = self.run_in("", SCENARIO, "--backend", "udp", become=become_nobody)

        self.assert_refused(done, "/dev/net/tun", "run as root", "chmod 0666 /dev/net/tun", "--world vm")

    # ---- what a kernel lacks ----

    def test_without_tun_udp_names_the_device_and_how_to_get_it(self):
        done = self.run_in("mount -t tmpfs none /dev/net", SCENARIO, "--backend", "udp")

        self.assert_refused(done, "udp (kernel world): no TUN devices: /dev/net/tun", "modprobe tun", "--world vm")

    def test_a_backend_that_this_kernel_lacks_is_offered_in_a_guest(self):
        doctor = self.doctor()
        modules = {"ipsec": "esp4", "wireguard": "wireguard", "ipip": "ipip"}
        lacking = [backend for backend in modules if not doctor[backend]["kernel"]["available"]]
        if not lacking:
            self.skipTest("this kernel has every backend")
        for backend in lacking:
            with self.subTest(backend=backend):
                self.assert_refused(self.run_in("", SCENARIO, "--backend", backend),
                                    f"{backend} (kernel world): ", f"modprobe {modules[backend]}", "--world vm")

    def test_loss_without_netem_names_the_link_and_the_guest(self):
        done = self.run_in("", {**SCENARIO, "underlay": LOSSY})
        if done.returncode == 0:
            self.skipTest("this kernel has netem")

        self.assert_refused(done, "link h1--switch", "loss 1 %", "netem", "--world vm")

    # ---- programs ----

    def test_without_iperf3_bulk_traffic_is_refused_before_it_is_measured_as_zero(self):
        self.needs_program("iperf3")
        done = self.run_in(self.hidden("iperf3"), {**SCENARIO, "traffic": [BULK]})

        self.assert_refused(done, "traffic bulk", "apt-get install iperf3")

    def test_without_iperf3_other_traffic_works(self):
        self.needs_program("iperf3")
        self.assert_ran(self.run_in(self.hidden("iperf3"), SCENARIO))

    def test_without_etcd_its_package_is_named(self):
        self.needs_program("etcd")
        done = self.run_in(self.hidden("etcd"), {**SCENARIO, "store": {"kind": "etcd"}})

        self.assert_refused(done, "store kind etcd", "apt-get install etcd-server")

    def test_with_etcd_it_serves_the_run_and_goes_with_it(self):
        self.needs_program("etcd")
        self.assert_ran(self.run_in("", {**SCENARIO, "store": {"kind": "etcd"}}))

    def test_without_charon_its_package_is_named(self):
        self.needs_program("iperf3")
        charon = next((path for path in ("/usr/sbin/charon-systemd", "/usr/lib/ipsec/charon-systemd")
                       if os.path.exists(path)), None)
        if charon is None:
            self.skipTest("charon-systemd: not installed, so it cannot be hidden")
        command = [PROGRAM, "doctor", "--format", "json"]
        place = f"mount --bind {FOLDER}/unexecutable {charon}"
        done = subprocess.run(["unshare", "--mount", "sh", "-ec", place + '; exec "$@"', "sh", *command],
                              capture_output=True, text=True, check=True)

        self.assertIn("apt-get install charon-systemd", done.stdout)
        self.assert_nothing_is_left()

    # ---- the rest ----

    def test_an_unknown_world_names_those_there_are(self):
        done = self.run_in("", SCENARIO, "--world", "moon")

        self.assertEqual(done.returncode, 2)
        for word in ("moon", "sim", "kernel", "vm"):
            self.assertIn(word, done.stderr)

    def test_a_full_disk_is_told_before_the_run_begins(self):
        for name, options in (("no bytes", "size=64k"), ("no inodes", "nr_inodes=3")):
            with self.subTest(name):
                done = self.run_in(f"mount -t tmpfs -o {options} full /tmp/full; mount --bind /tmp/full /tmp",
                                   SCENARIO)

                self.assert_refused(done, "/tmp/overlab-", "No space left on device", "make room there")


if __name__ == "__main__":
    machine.enter_own_place()
    pathlib.Path("/tmp/full").mkdir()
    unittest.main(argv=sys.argv[:1], verbosity=2)
