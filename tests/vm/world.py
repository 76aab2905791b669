#!/usr/bin/env python3
"""The kernel world under a guest's kernel, as a user runs it: `overlab compare ... --world vm`.

    python3 tests/vm/world.py PROGRAM
"""

import ipaddress
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import packets  # noqa: E402
import program  # noqa: E402

HERE = pathlib.Path(__file__).parent
OVERLAB = program.Overlab(sys.argv.pop(1) if len(sys.argv) > 1 else "overlab")
BACKENDS = ["host-gw", "vxlan", "ipsec", "udp"]
PODS = "10.244.0.0/16"
# In clear in what iperf3's client tells its server at first.
MARKER = b'"client_version"'


def flow(run, name):
    return next(flow for flow in run["flows"] if flow["name"] == name)


def count(capture, display_filter):
    return len(packets.tshark(capture, "-Y", display_filter, "-T", "fields", "-e", "frame.number").split())


class FourBackends(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.out = pathlib.Path(scratch.name) / "run"
        result = OVERLAB.result(HERE / "world.json", cls.out, "--world", "vm", "--capture", command="compare")
        cls.runs = {run["backend"]: run for run in result["runs"]}

    def captures(self, backend):
        return [self.out / "captures" / f"{backend}-seed1-vm" / f"{host}--switch.pcapng" for host in ("h1", "h2")]

    def pod_pair(self, backend):
        """The source and destination of client's packets as octets of an IPv4 header."""
        leases = {host["name"]: ipaddress.ip_network(host["lease"]) for host in self.runs[backend]["hosts"]}
        return leases["h1"][2].packed + leases["h2"][2].packed

    def test_every_backend_carries_bulk_and_round_trips(self):
        self.assertEqual(sorted(self.runs), sorted(BACKENDS))
        for backend, run in self.runs.items():
            with self.subTest(backend):
                self.assertEqual(run["world"], "vm")
                self.assertGreater(flow(run, "bulk")["goodput_bps"], 0)
                self.assertGreater(flow(run, "rtt")["latency"]["p50_ns"], 0)
                self.assertEqual(run["unreachable"], [])

    def test_warnings_name_the_guest_kernel(self):
        for backend, run in self.runs.items():
            with self.subTest(backend):
                self.assertRegex("\n".join(run["warnings"]), r"guest kernel \((kvm|uml|tcg)\)")

    def test_captures_are_complete(self):
        for backend, run in self.runs.items():
            with self.subTest(backend):
                self.assertNotIn("packets are missing", "\n".join(run["warnings"]))

    def test_pods_packets_are_in_clear_but_for_ipsec(self):
        # So that the search of the next test is known to find what is there.
        for backend in set(BACKENDS) - {"ipsec"}:
            for capture in self.captures(backend):
                with self.subTest(capture=capture.parent.name + "/" + capture.name):
                    octets = capture.read_bytes()
                    self.assertIn(MARKER, octets)
                    self.assertIn(self.pod_pair(backend), octets)
                    self.assertGreater(count(capture, f"ip.addr == {PODS}"), 100)

    def test_under_ipsec_hosts_exchange_esp_and_ike_and_not_one_octet_of_pods_in_clear(self):
        for capture in self.captures("ipsec"):
            with self.subTest(capture.name):
                octets = capture.read_bytes()
                self.assertNotIn(MARKER, octets)
                self.assertNotIn(self.pod_pair("ipsec"), octets)
                self.assertGreater(count(capture, "esp"), 100)
                self.assertGreater(count(capture, "isakmp"), 0)
                self.assertEqual(count(capture, f"ip.addr == {PODS}"), 0)
                # Else there are only the hosts' own words: with the store (port 2379) and with IKE.
                self.assertEqual(count(capture, "ip && !esp && !isakmp && !(tcp.port == 2379)"), 0)


class Impaired(unittest.TestCase):
    def test_a_line_has_its_delay_and_its_loss(self):
        with tempfile.TemporaryDirectory() as scratch:
            result = OVERLAB.result(HERE / "world_impaired.json", pathlib.Path(scratch) / "run", "--world", "vm")
        rtt = flow(result["runs"][0], "rtt")

        self.assertGreaterEqual(rtt["latency"]["min_ns"], 40_000_000)
        self.assertGreater(rtt["packets_lost"], 0)
        self.assertLess(rtt["packets_lost"], rtt["packets_sent"] / 10)


if __name__ == "__main__":
    OVERLAB.skip_unless_available("vm", *BACKENDS)
    unittest.main()
