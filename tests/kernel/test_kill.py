#!/usr/bin/env python3
"""However a run in the kernel world ends, nothing of it stays: kill -9 at seeded moments, Ctrl-C, SIGTERM.

    python3 tests/kernel/test_kill.py PROGRAM [SEED]
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

import machine

ARGUMENTS = sys.argv[1:]
PROGRAM = str(pathlib.Path(ARGUMENTS[0] if ARGUMENTS else "overlab").resolve())
SEED = int(ARGUMENTS[1]) if len(ARGUMENTS) > 1 else 20240229

KILLS = 20
FOLDER = pathlib.Path("/tmp/work")

# Two racks, every program that a run can have: etcd, iperf3, the prober, captures.
SCENARIO = {
    "overlab": 1,
    "name": "short",
    "duration": "400ms",
    "network": {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}},
    "underlay": {
        "nodes": [{"name": "h1"}, {"name": "h2"}, {"name": "h3"}, {"name": "h4"},
                  {"name": "tor1", "kind": "switch"}, {"name": "tor2", "kind": "switch"}],
        "links": [{"ends": ["h1", "tor1"]}, {"ends": ["h2", "tor1"]}, {"ends": ["h3", "tor2"]},
                  {"ends": ["h4", "tor2"]}, {"ends": ["tor1", "tor2"]}],
        "link_defaults": {"rate": "100Mbps"},
    },
    "pods": [{"name": "client", "host": "h1"}, {"name": "server", "host": "h3"},
             {"name": "caller", "host": "h2"}, {"name": "callee", "host": "h4"}],
    "traffic": [
        {"name": "bulk", "kind": "tcp", "from": "client", "to": "server", "start": "200ms"},
        {"name": "rtt", "kind": "request_response", "from": "caller", "to": "callee", "start": "200ms",
         "interval": "10ms"},
    ],
}
NOTHING_MUCH = {**SCENARIO, "name": "shortest", "duration": "10ms", "pods": [], "traffic": []}


class EndingTest(unittest.TestCase):
    def setUp(self):
        FOLDER.mkdir(exist_ok=True)
        self.write("embedded.json", SCENARIO)
        self.write("etcd.json", {**SCENARIO, "store": {"kind": "etcd"}})
        self.write("shortest.json", NOTHING_MUCH)
        self.namespaces = machine.network_namespaces()
        self.network = machine.network()
        self.assertEqual(machine.processes(), {})

    def write(self, name, content):
        (FOLDER / name).write_text(json.dumps(content), encoding="utf-8")

    @staticmethod
    def start(scenario, backend="vxlan"):
        """In a process group of its own, as a shell starts a job."""
        return subprocess.Popen([PROGRAM, "run", scenario, "--world", "kernel", "--backend", backend, "--capture",
                                 "--no-progress", "--out", "out"], cwd=FOLDER, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def finish(self, scenario):
        """A whole run, and how long it took in seconds."""
        begin = time.monotonic()
        with self.start(scenario) as run:
            self.assertEqual(run.wait(timeout=60), 0)
        return time.monotonic() - begin

    def results(self):
        return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())

    def assert_all_is_gone(self, moment):
        gone = machine.wait_until(lambda: not machine.processes())
        self.assertTrue(gone, f"{moment}: still here: {machine.processes()}")
        self.assertEqual(machine.network_namespaces(), self.namespaces, moment)

    def test_killed_at_any_moment_nothing_stays_after_the_next_start(self):
        lengths = {name: self.finish(name) for name in ("embedded.json", "etcd.json")}
        rng = random.Random(SEED)
        interrupted = 0
        for number in range(KILLS):
            scenario = ("embedded.json", "etcd.json")[number % 2]
            backend = ("vxlan", "host-gw", "udp")[number % 3]
            delay = rng.uniform(0.02, lengths[scenario])
            moment = f"kill {number}, {scenario}, {backend}, after {delay * 1000:.0f} ms (seed {SEED})"
            before = (FOLDER / "out/result.json").read_bytes()
            with self.start(scenario, backend) as run:
                time.sleep(delay)  # the moment is what is tested
                run.kill()
            interrupted += run.returncode == -signal.SIGKILL
            self.assert_all_is_gone(moment)
            if run.returncode == -signal.SIGKILL and self.results() != ["out"]:
                self.assertEqual((FOLDER / "out/result.json").read_bytes(), before, moment)

            self.finish("shortest.json")

            self.assertEqual(machine.run_folders(), [], moment)
            self.assertEqual(self.results(), ["out"], moment)
            self.assertEqual(json.loads((FOLDER / "out/result.json").read_text())["deterministic"]["scenario"],
                             "shortest", moment)
        self.assertGreaterEqual(interrupted, KILLS // 2)
        self.assertEqual(machine.network(), self.network)

    def test_a_signal_ends_a_run_at_once_and_cleanly(self):
        for number, whole_group in ((signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False),
                                    (signal.SIGTERM, True), (signal.SIGHUP, False)):
            with self.subTest(signal=number, whole_group=whole_group):
                before = self.results()
                with self.start("etcd.json") as run:
                    # In its middle: agents, the store and captures live.
                    self.assertTrue(machine.wait_until(lambda: len(machine.processes()) > 8))
                    if whole_group:
                        os.killpg(run.pid, number)
                    else:
                        run.send_signal(number)
                    self.assertEqual(run.wait(timeout=10), 128 + number)

                self.assertEqual(machine.run_folders(), [])
                self.assertEqual(self.results(), before)
                self.assert_all_is_gone(number.name)
        self.assertEqual(machine.network(), self.network)


if __name__ == "__main__":
    machine.enter_own_place()
    unittest.main(argv=sys.argv[:1], verbosity=2)
