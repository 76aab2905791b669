#!/usr/bin/env python3
"""`overlab crosscheck` as a user runs it.

    python3 tests/vm/crosscheck.py PROGRAM
"""

import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import program  # noqa: E402

OVERLAB = program.Overlab(sys.argv.pop(1) if len(sys.argv) > 1 else "overlab")


def crosscheck(*arguments):
    code, printed = OVERLAB.run("crosscheck", *arguments, "--format", "json")
    return code, json.loads(printed)


def skip_without_kernel():
    code, said = crosscheck("--histories", "1", "--seed", "1")
    if code == 2 and "no guest kernel here" in said["error"]:
        print(f"skipped: {said}")
        sys.exit(program.SKIPPED)


class Crosscheck(unittest.TestCase):
    def test_worlds_are_alike_whatever_the_jobs(self):
        results = []
        for jobs in ("1", "3"):
            code, result = crosscheck("--histories", "12", "--seed", "3", "--jobs", jobs)
            self.assertEqual(code, 0, result)
            del result["elapsed_ns"]
            results.append(result)
        self.assertEqual(results[0], results[1])
        self.assertEqual(results[0]["histories"], 12)
        self.assertGreater(results[0]["rows_compared"], 500)
        self.assertGreater(results[0]["probes_by_disposition"]["delivered"], 20)

    def test_one_history_of_a_seed(self):
        code, result = crosscheck("--seed", "3", "--only", "7")
        self.assertEqual((code, result["histories"], result["findings"]), (0, 1, []))

    def test_a_saved_history_is_replayed_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "history.json"
            network = {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}
            hosts = [{"name": f"h0{n}", "segment": 0, "address": f"192.0.2.{n}"} for n in (1, 2)]
            probe = {"from": 0, "to": 1, "target": "pod", "size_bytes": 84, "dont_fragment": True, "ttl": 64}
            path.write_text(json.dumps({"history": {
                "seed": 1, "network": network, "hosts": hosts, "segments": [{"subnet": "192.0.2.0/24", "mtu": 1500}],
                "steps": [{"do": "start", "host": 0}, {"do": "start", "host": 1, "probes": [probe]}]}}))
            code, result = crosscheck(path)
            self.assertEqual((code, result["steps"], result["probes_by_disposition"]), (0, 2, {"delivered": 1}))

            path.write_text('{"history": {"seed": 1}}')
            code, result = crosscheck(path)
            self.assertEqual(code, 2)
            self.assertIn("history", json.dumps(result))


if __name__ == "__main__":
    skip_without_kernel()
    unittest.main()
