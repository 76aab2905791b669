#!/usr/bin/env python3
"""The program as a user sees it: exit codes, what goes to which stream, files.

    python3 tests/cli/test_program.py PROGRAM
"""

import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "overlab").resolve()

TESTS = pathlib.Path(__file__).resolve().parents[1]

# Small on purpose: two hosts, little traffic, a few milliseconds of wall time.
SCENARIO = {
    "overlab": 1,
    "name": "pair",
    "duration": "2s",
    "network": {"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}},
    "underlay": {"generate": {"star": {"hosts": 2}}, "link_defaults": {"rate": "100Mbps"}},
    "pods": [{"name": "client", "host": "h1"}, {"name": "server", "host": "h2"}],
    "traffic": [
        {"name": "bulk", "from": "client", "to": "server", "kind": "tcp", "start": "1s"},
        {"name": "rtt", "from": "client", "to": "server", "kind": "request_response", "start": "1s",
         "interval": "10ms"},
    ],
    "compare": {"network.Backend.Type": ["host-gw", "vxlan"]},
    "expect": [{"of": "bulk", "metric": "goodput_bps", "min": 1}],
}


def with_changes(**changes):
    return {**SCENARIO, **changes}


class ProgramTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.write("pair.json", SCENARIO)

    def write(self, name, content):
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        (self.folder / name).write_text(text, encoding="utf-8")

    def overlab(self, *arguments, **options):
        return subprocess.run([str(PROGRAM), *arguments], cwd=self.folder, capture_output=True, text=True,
                              check=False, timeout=120, **options)

    def entries(self):
        return sorted(os.listdir(self.folder))

    def assert_unusable(self, done, *parts):
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stdout, "")
        for part in parts:
            self.assertIn(part, done.stderr)
        self.assertEqual([name for name in self.entries() if not name.endswith(".json")], [])


class HelpTest(ProgramTest):
    def test_every_command_has_help_with_an_example(self):
        commands = re.findall(r"^  ([a-z]+) ", self.overlab("--help").stdout.split("Subcommands:")[1].split("Example:")[0],
                              re.MULTILINE)
        self.assertEqual(commands, ["run", "compare", "trace", "crosscheck", "doctor", "kernel", "version"])
        for command in commands:
            done = self.overlab(command, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertRegex(done.stdout, rf"Examples?:\n  overlab {command}")

    def test_wrong_usage_is_bad_input(self):
        for arguments in ([], ["fly"], ["run"], ["run", "pair.json", "--sede", "3"], ["run", "pair.json", "--runs", "0"],
                          ["run", "pair.json", "--seed", "-1"], ["run", "pair.json", "--format", "xml"],
                          ["trace", "pair.json", "--from", "client"]):
            with self.subTest(arguments=arguments):
                self.assert_unusable(self.overlab(*arguments))

    def test_version_is_json_on_request(self):
        document = json.loads(self.overlab("version", "--format", "json").stdout)
        self.assertRegex(document["program_sha256"], "^[0-9a-f]{64}$")
        self.assertIn(document["version"], self.overlab("version").stdout)


class BadInputTest(ProgramTest):
    def test_problems_are_told_once_with_their_place_and_nothing_is_written(self):
        self.write("bad.json", with_changes(durration="2s"))

        done = self.overlab("compare", "bad.json")

        self.assert_unusable(done, "/durration", "duration")
        self.assertRegex(done.stderr, r"^bad\.json:\d+:\d+: /durration: ")
        self.assertEqual(done.stderr.count("/durration"), 1)

    def test_kinds_of_bad_input(self):
        self.write("cut.json", json.dumps(SCENARIO)[:100])
        self.write("array.json", "[]\n")
        self.write("pod.json", with_changes(pods=[{"name": "client", "host": "h9"}]))
        self.write("include.json", {"include": ["nowhere.json"], **SCENARIO})
        os.mkdir(self.folder / "folder.json")
        for name, parts in {"cut.json": ["cut.json:"], "array.json": ["array.json:"], "pod.json": ["h9"],
                            "include.json": ["nowhere.json"], "missing.json": ["missing.json", "No such file"],
                            "folder.json": ["is a folder"]}.items():
            with self.subTest(name=name):
                self.assert_unusable(self.overlab("run", name), *parts)

    def test_every_broken_file_of_the_collection(self):
        listed = [entry["file"] for entry in json.loads((TESTS / "bad/manifest.json").read_text(encoding="utf-8"))]
        self.assertGreaterEqual(len(listed), 60)
        for name in listed:
            with self.subTest(file=name):
                done = self.overlab("run", str(TESTS / "bad" / name))
                self.assert_unusable(done)
                for line in done.stderr.splitlines():
                    self.assertRegex(line, rf"^{re.escape(str(TESTS))}/bad/[^:]+:\d+:\d+: (/[^:]*: )?\S")

    def test_problems_are_one_json_document_on_request(self):
        self.write("bad.json", with_changes(durration="2s"))

        done = self.overlab("run", "bad.json", "--format", "json")

        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "")
        problem = json.loads(done.stdout)["problems"][0]
        self.assertEqual((problem["file"], problem["pointer"]), ("bad.json", "/durration"))

    def test_a_backend_that_the_scenario_does_not_configure(self):
        self.assert_unusable(self.overlab("run", "pair.json", "--backend", "carrier-pigeon"), "carrier-pigeon")

    def test_time_and_repeats_where_there_can_be_none(self):
        for arguments, part in {
                ("--time", "virtual"): "add --world vm",
                ("--world", "sim,kernel", "--time", "virtual"): "add --world vm",
                ("--world", "vm", "--time", "virtual", "--engine", "kvm"): "leave --engine out",
                ("--world", "vm", "--time", "virtual", "--engine", "tcg"): "leave --engine out",
                ("--time", "warp"): "--time",
                ("--repeat", "0"): "--repeat",
                ("--repeat", "101"): "--repeat",
                ("--world", "kernel", "--repeat", "2"): "runs in kernel are in real time",
                ("--world", "vm", "--repeat", "2"): "add --time virtual",
                ("--world", "vm", "--time", "wall", "--repeat", "2"): "add --time virtual"}.items():
            with self.subTest(arguments=arguments):
                self.assert_unusable(self.overlab("run", "pair.json", *arguments), part)

    def test_an_include_is_found_beside_the_file_that_names_it(self):
        os.mkdir(self.folder / "lib.json.d")
        base = {key: SCENARIO[key] for key in ("network", "underlay", "pods")}
        (self.folder / "lib.json.d/base.json").write_text(json.dumps(base), encoding="utf-8")
        rest = {key: value for key, value in SCENARIO.items() if key not in base}
        (self.folder / "lib.json.d/top.json").write_text(json.dumps({"include": ["base.json"], **rest}), encoding="utf-8")

        self.assertEqual(self.overlab("run", "lib.json.d/top.json").returncode, 0)


class RunTest(ProgramTest):
    def test_compare_prints_a_row_for_each_backend_and_leaves_its_files(self):
        done = self.overlab("compare", "pair.json")

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?s)backend.*host-gw.*vxlan")
        self.assertIn("expectations: 2 of 2 met\n", done.stdout)
        self.assertIn(str(self.folder / "overlab-out/pair"), done.stdout)
        self.assertEqual(done.stderr, "")
        self.assertEqual(sorted(os.listdir(self.folder / "overlab-out/pair")),
                         ["flows.csv", "result.json", "summary.txt"])
        self.assertEqual(os.listdir(self.folder / "overlab-out"), ["pair"])

    def test_json_is_the_result_file_and_nothing_else(self):
        done = self.overlab("compare", "pair.json", "--format", "json", "--out", "here", "--runs", "2")

        self.assertEqual(done.stdout, (self.folder / "here/result.json").read_text(encoding="utf-8"))
        self.assertEqual(done.stderr, "")
        result = json.loads(done.stdout)["deterministic"]
        self.assertEqual([(run["backend"], run["seed"]) for run in result["runs"]],
                         [("host-gw", 1), ("host-gw", 2), ("vxlan", 1), ("vxlan", 2)])

    def test_backends_and_seed_are_chosen_on_the_command_line(self):
        for backends in (["--backend", "vxlan,host-gw"], ["--backend", "vxlan", "--backend", "host-gw"]):
            done = self.overlab("run", "pair.json", "--format", "json", "--seed", "7", *backends)
            result = json.loads(done.stdout)["deterministic"]
            self.assertEqual([(run["backend"], run["seed"]) for run in result["runs"]], [("vxlan", 7), ("host-gw", 7)])

    def test_the_number_of_jobs_does_not_change_the_result(self):
        results = [json.loads(self.overlab("compare", "pair.json", "--format", "json", "--jobs", jobs).stdout)
                   for jobs in ("1", "4")]
        self.assertEqual(results[0]["deterministic"], results[1]["deterministic"])
        self.assertEqual(results[0]["machine"]["deterministic_sha256"], results[1]["machine"]["deterministic_sha256"])

    def test_an_expectation_that_is_not_met_is_exit_code_1(self):
        self.write("hope.json", with_changes(expect=[{"of": "bulk", "metric": "goodput_bps", "min": 1e12}]))

        done = self.overlab("run", "hope.json")

        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED  vxlan: bulk goodput_bps: ", done.stdout)
        self.assertIn("expected at least 1000000000000", done.stdout)

    def test_captures_go_into_the_result_folder(self):
        done = self.overlab("run", "pair.json", "--capture", "--out", "caught")

        self.assertEqual(done.returncode, 0, done.stderr)
        files = os.listdir(self.folder / "caught/captures/vxlan-seed1")
        self.assertTrue(any(name.endswith(".pcapng") for name in files), files)

    def test_captures_are_listed_with_their_digests(self):
        plain = json.loads(self.overlab("run", "pair.json", "--format", "json").stdout)
        done = self.overlab("run", "pair.json", "--capture", "--out", "caught", "--format", "json")
        result = json.loads(done.stdout)

        self.assertNotIn("captures", plain)
        self.assertEqual(result["machine"]["deterministic_sha256"], plain["machine"]["deterministic_sha256"])
        self.assertEqual(len(result["captures"]), 3)
        for capture in result["captures"]:
            octets = (self.folder / "caught" / capture["file"]).read_bytes()
            self.assertEqual((capture["bytes"], capture["sha256"]), (len(octets), hashlib.sha256(octets).hexdigest()))

    def test_repeats_of_a_simulated_run_are_identical(self):
        once = json.loads(self.overlab("run", "pair.json", "--format", "json").stdout)
        done = self.overlab("compare", "pair.json", "--repeat", "3", "--capture", "--out", "thrice")

        self.assertEqual(done.returncode, 0, done)
        self.assertIn("\nrepeats: 3 of 3 identical (host-gw, seed 1)\n"
                      "repeats: 3 of 3 identical (vxlan, seed 1)\n", done.stdout)
        self.assertEqual(sorted(os.listdir(self.folder / "thrice")),
                         ["captures", "flows.csv", "result.json", "summary.txt"])
        self.assertEqual(sorted(os.listdir(self.folder / "thrice/captures")), ["host-gw-seed1", "vxlan-seed1"])
        result = json.loads((self.folder / "thrice/result.json").read_text(encoding="utf-8"))
        self.assertEqual([(one["backend"], one["repeats"], one["identical"]) for one in result["repeats"]],
                         [("host-gw", 3, 3), ("vxlan", 3, 3)])
        # Asking for repeats changes nothing of the result.
        self.assertEqual(result["deterministic"]["runs"][1], once["deterministic"]["runs"][0])

    def test_no_colours_and_no_progress_in_a_pipe(self):
        done = self.overlab("compare", "pair.json")
        self.assertNotIn("\x1b", done.stdout + done.stderr)


class AtomicOutputTest(ProgramTest):
    def setUp(self):
        super().setUp()
        os.mkdir(self.folder / "out")
        (self.folder / "out/result.json").write_text("old", encoding="utf-8")

    def assert_old_result(self):
        self.assertEqual((self.folder / "out/result.json").read_text(encoding="utf-8"), "old")
        self.assertEqual(self.entries(), ["out", "pair.json"])

    def test_a_full_disk_leaves_the_old_result(self):
        limit = f"ulimit -f 1; exec '{PROGRAM}' compare pair.json --out out"
        done = subprocess.run(["bash", "-c", limit], cwd=self.folder, capture_output=True, text=True, check=False)

        self.assertEqual(done.returncode, 2, done)
        self.assertIn("cannot be written", done.stderr)
        self.assert_old_result()

    def test_a_folder_of_other_files_is_not_replaced(self):
        os.mkdir(self.folder / "home")
        (self.folder / "home/thesis.tex").write_text("years", encoding="utf-8")

        done = self.overlab("run", "pair.json", "--out", "home")

        self.assertEqual(done.returncode, 2)
        self.assertIn("choose another --out", done.stderr)
        self.assertEqual(os.listdir(self.folder / "home"), ["thesis.tex"])

    def test_interrupt_stops_the_runs_and_leaves_the_old_result(self):
        self.write("pair.json", with_changes(duration="3000s"))
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([str(PROGRAM), "compare", "pair.json", "--out", "out"], cwd=self.folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            wait_for_children(process.pid)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)

            self.assertEqual(process.returncode, 128 + number, errors)
            self.assertIn(f"stopped by {number.name}", errors)
            self.assert_old_result()

    def test_a_run_that_dies_is_told_with_its_signal(self):
        self.write("pair.json", with_changes(duration="3000s"))
        process = subprocess.Popen([str(PROGRAM), "run", "pair.json", "--out", "out"], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.kill(wait_for_children(process.pid)[0], signal.SIGKILL)
        _, errors = process.communicate(timeout=60)

        self.assertEqual(process.returncode, 2)
        self.assertIn("vxlan: the run was killed by SIGKILL", errors)
        self.assert_old_result()


def wait_for_children(pid):
    """The children of a process, as soon as there are any."""
    while True:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        if children:
            return [int(child) for child in children]


class TraceTest(ProgramTest):
    def test_a_packet_and_its_answer_step_by_step(self):
        done = self.overlab("trace", "pair.json", "--from", "client", "--to", "server")

        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, r"(?m)^ ?1  h1  ")
        self.assertIn("`route ", done.stdout)
        self.assertIn("\nand back:\n", done.stdout)
        self.assertEqual(done.stdout.count("delivered (at "), 2)

    def test_a_packet_that_is_too_large(self):
        done = self.overlab("trace", "pair.json", "--from", "client", "--to", "server", "--size", "1500",
                            "--format", "json")

        self.assertEqual(done.returncode, 1)
        self.assertEqual(json.loads(done.stdout)["there"]["disposition"], "mtu_exceeded")

    def test_a_pod_that_is_not_there(self):
        self.assert_unusable(self.overlab("trace", "pair.json", "--from", "client", "--to", "sever"),
                             "pod sever", "server")


if __name__ == "__main__":
    unittest.main()
