#!/usr/bin/env python3
"""The same scenario gives the same bytes: every shipped scenario is run twice in two processes (addresses
randomised), then with its lists in reverse order. With a second program, the two programs' results are compared.

    test_determinism.py PROGRAM [--against OTHER_PROGRAM]
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios"

# Left to the benchmarks: minutes of work, and nothing in them that a smaller one does not have.
TOO_LARGE = {"leaf-spine-5000"}
# With captures. Elsewhere TCP runs at gigabits a second, and a capture of that is gigabytes a link;
# tests/wire compares captures of short TCP runs.
CAPTURED = {"host-gw-across-router", "store-far-away", "on-off-mix", "small-packets"}
# A second compiler's program and reversed files are tried on these: every backend, kind of traffic and underlay.
SHORT_LIST = ["two-racks", "wan-two-sites", "small-mtu-path", "on-off-mix", "host-gw-across-router"]


def without_comments(text):
    """JSON with // and /* */ comments as plain JSON."""
    out, i, quoted = [], 0, False
    while i < len(text):
        if quoted:
            if text[i] == "\\":
                out.append(text[i])
                i += 1
            elif text[i] == '"':
                quoted = False
        elif text[i] == '"':
            quoted = True
        elif text.startswith("//", i):
            i = text.find("\n", i)
            if i < 0:
                break
        elif text.startswith("/*", i):
            i = text.index("*/", i) + 2
            continue
        out.append(text[i])
        i += 1
    return "".join(out)


def reversed_lists(scenario):
    """Hosts, links, pods and traffic in the opposite order; a link's ends stay, they are its name."""
    for owner, key in (("underlay", "nodes"), ("underlay", "links"), (None, "pods"), (None, "traffic")):
        part = scenario.get(owner, {}) if owner else scenario
        if isinstance(part, dict) and isinstance(part.get(key), list):
            part[key].reverse()
    return scenario


def run(program, scenario, out, capture):
    command = [program, "compare", str(scenario), "--out", str(out), "--format", "json", "--no-progress"]
    done = subprocess.run(command + (["--capture"] if capture else []), capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: an expectation failed, which is another test's business
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")


def contents(folder):
    """File name -> digest; of result.json only the part that must be the same."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.name == "result.json":
            data = json.dumps(json.loads(data)["deterministic"], sort_keys=True).encode()
        files[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return files


def differences(a, b):
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def check(title, a, b, failures):
    different = differences(a, b)
    print(f"{'ok      ' if not different else 'DIFFERS '}{title} ({len(a)} files)", flush=True)
    if different:
        failures.append(f"{title}: {', '.join(different)}")


def main():
    program = sys.argv[1]
    other = sys.argv[3] if len(sys.argv) > 3 else None
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)

        def files_of(tool, scenario, tag, capture):
            out = work / f"{scenario.stem}-{tag}"
            run(tool, scenario, out, capture)
            return contents(out)

        for scenario in sorted(SCENARIOS.rglob("*.json")):
            name = scenario.stem
            if name in TOO_LARGE or name == "schema" or (other and name not in SHORT_LIST):
                continue
            capture = name in CAPTURED
            first = files_of(program, scenario, "first", capture)
            if other:
                check(f"{name}: two compilers", first, files_of(other, scenario, "other", capture), failures)
                continue
            check(f"{name}: twice", first, files_of(program, scenario, "again", capture), failures)
            if name in SHORT_LIST:
                backwards = work / f"{name}.json"
                parsed = reversed_lists(json.loads(without_comments(scenario.read_text())))
                backwards.write_text(json.dumps(parsed))
                check(f"{name}: lists reversed", first,
                      files_of(program, backwards, "backwards", capture), failures)
    print(f"{len(failures)} differences")
    for failure in failures:
        print("  " + failure)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
