#!/usr/bin/env python3
"""The kernel world in virtual time gives the same bytes again: every backend, under load, to an ordinary user.

Each run costs about 5 s of CPU time, most of it the guest's start, so vxlan and ipsec are repeated under load only
and what they give there is compared with other users' and other seeds' runs.

    python3 tests/vm/virtual.py PROGRAM
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import virtual_runs

PROGRAM = sys.argv.pop(1) if len(sys.argv) > 1 else "overlab"
TWICE = ["host-gw", "ipip", "wireguard", "udp"]
FIVE_TIMES = ["vxlan", "ipsec"]
NOBODY = 65534


@contextlib.contextmanager
def busy_loops(count):
    """So many programs that want a processor all the time."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class VirtualTime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.idle = virtual_runs.compare(PROGRAM, "two-hosts.json", cls.scratch / "idle", "--backend", ",".join(TWICE),
                                        "--repeat", "2")
        with busy_loops(2):
            cls.loaded = virtual_runs.compare(PROGRAM, "two-hosts.json", cls.scratch / "loaded",
                                              "--backend", ",".join(FIVE_TIMES), "--repeat", "5")

    def compare(self, scenario, *arguments):
        return virtual_runs.compare(PROGRAM, scenario, self.scratch / self.id().rsplit(".", 1)[1], *arguments)

    def check_repeated(self, runs, backend, repeats=2):
        """That backend ran so often, with captures, and was alike each time."""
        self.assertEqual(runs.by_backend[backend]["unavailable"], "")
        self.assertTrue(runs.by_backend[backend]["virtual_time"])
        self.assertGreaterEqual(len(runs.digests(backend)), 3)
        repeated = runs.repeats[backend]
        self.assertEqual((repeated["repeats"], repeated["identical"]), (repeats, repeats), repeated["differences"])

    def test_backends_give_the_same_twice(self):
        for backend in TWICE:
            with self.subTest(backend):
                self.check_repeated(self.idle, backend)

    def test_five_times_on_a_loaded_machine_give_the_same(self):
        for backend in FIVE_TIMES:
            with self.subTest(backend):
                self.check_repeated(self.loaded, backend, repeats=5)

    def test_backends_differ_from_each_other(self):
        # So that equal digests are known to say something.
        digests = [runs.digests(backend) for runs, backends in ((self.idle, TWICE), (self.loaded, FIVE_TIMES))
                   for backend in backends]
        self.assertEqual(len({tuple(sorted(each.items())) for each in digests}), len(TWICE + FIVE_TIMES))

    def test_udp_one_packet_a_call_gives_the_same_twice(self):
        runs = self.compare("two-hosts.json", "--backend", "udp", "--udp-mode", "classic", "--repeat", "2")
        self.check_repeated(runs, "udp")
        self.assertNotEqual(runs.digests("udp"), self.idle.digests("udp"))

    def test_direct_routing_gives_the_same_twice(self):
        self.check_repeated(self.compare("routed.json", "--backend", "vxlan", "--repeat", "2"), "vxlan")

    def test_esp_in_udp_gives_the_same_twice(self):
        self.check_repeated(self.compare("esp-in-udp.json", "--backend", "ipsec", "--repeat", "2"), "ipsec")

    def test_a_cut_line_and_a_private_etcd_give_the_same_twice(self):
        runs = self.compare("cut.json", "--repeat", "2")
        for backend in ("vxlan", "ipsec"):
            with self.subTest(backend):
                self.check_repeated(runs, backend)

    def test_thirty_days_of_leases_in_a_real_etcd(self):
        scenario = pathlib.Path(__file__).parents[2] / "scenarios/lease/thirty-days.json"
        done = subprocess.run([PROGRAM, "run", scenario, "--world", "vm", "--time", "virtual", "--no-progress",
                               "--out", self.scratch / "thirty"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("6 of 6 met", done.stdout)

    def test_another_seed_gives_another_trace(self):
        runs = self.compare("two-hosts.json", "--backend", ",".join(FIVE_TIMES), "--seed", "2")
        for backend in FIVE_TIMES:
            with self.subTest(backend):
                mine, others = runs.digests(backend), self.loaded.digests(backend)
                self.assertEqual(mine.keys(), others.keys())
                for link in ("h1--switch", "h2--switch"):
                    self.assertNotEqual(mine[link], others[link])

    def test_an_ordinary_user_of_an_idle_machine_gets_the_same(self):
        if os.getuid() == 0:
            with tempfile.TemporaryDirectory() as home:
                runs = self.compare_as_nobody(pathlib.Path(home))
        else:
            runs = self.compare("two-hosts.json", "--backend", ",".join(FIVE_TIMES))
        for backend in FIVE_TIMES:
            with self.subTest(backend):
                self.assertEqual(runs.by_backend[backend]["unavailable"], "")
                self.assertEqual(runs.digests(backend), self.loaded.digests(backend))

    def compare_as_nobody(self, home):
        """By a user without a home: the built kernel is the only thing that is given."""
        kernel = pathlib.Path(KERNEL["path"]).parent
        shutil.copytree(kernel, home / "cache/overlab" / kernel.name)
        for path in (home, *home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
        reached = subprocess.run([*as_nobody, PROGRAM, "version"], stdout=subprocess.DEVNULL, check=False)
        if reached.returncode != 0:
            self.skipTest(f"user {NOBODY} cannot run {PROGRAM}")
        return virtual_runs.compare(PROGRAM, "two-hosts.json", home / "out", "--backend", ",".join(FIVE_TIMES),
                                    prefix=as_nobody,
                                    environment={"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")})


if __name__ == "__main__":
    KERNEL = virtual_runs.kernel_or_skip(PROGRAM)
    unittest.main()
