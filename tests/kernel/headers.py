#!/usr/bin/env python3
"""The headers on the underlay are the same in the simulator and on a kernel, field by field.

    python3 tests/kernel/headers.py PROGRAM WORLD BACKEND [OPTIONS OF overlab run]

BACKEND may be ipsec-in-udp, for UDPEncap.

Runs headers.json in both worlds with captures, takes the first packet of each kind (a flow's request, its
reply, a fragment, ...) from both captures of one link, and compares every field that tshark knows of
Ethernet, IP, UDP, VXLAN and ESP, on all layers. What may differ is in MAY_DIFFER and nowhere else;
docs/limitations.md repeats it for readers.
"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import packets  # noqa: E402
import program  # noqa: E402

HERE = pathlib.Path(__file__).parent
LINK = "h1--switch.pcapng"
FIRST_PORT = 5201  # of the flow whose name is the first; docs/kernel-traffic.md
FLOWS = ["full", "large", "pieces", "small", "steady", "stream"]
PODS = "10.244.0.0/16"

MAY_DIFFER = {
    "ip.id": "a counter in the simulator; Linux begins where a secret of the boot says, or writes 0",
    "udp.srcport": "of VXLAN: a hash with a secret of the boot, but in the local port range; of iperf3's flow: drawn",
    "checksums": "they follow from the fields above and the payload; both must be right, or both be zero",
    "esp.spi, esp.sequence, ciphertext": "SPIs are drawn; iperf3's control connection is counted too",
    "ip.flags.df": "of backend udp in fast mode, where packets leave in one send: Linux clears it (__ip_make_skb())",
    "tcp": "the pods' own: only flags and segment length are compared",
}
LOCAL_PORTS = range(32768, 61000)  # net.ipv4.ip_local_port_range
TCP_FIELDS = ("tcp.len", "tcp.flags")
HEADERS = ("eth", "ip", "udp", "tcp", "vxlan", "esp")
OUTSIDE = {"host-gw": ["eth"], "vxlan": ["eth", "ip", "udp", "vxlan", "eth"], "udp": ["eth", "ip", "udp"],
           "ipip": ["eth", "ip"], "ipsec": ["eth", "ip", "esp"], "ipsec-in-udp": ["eth", "ip", "udp", "esp"]}
# Kinds of packet that a capture must hold: request_response both ways in whole and in pieces, TCP, one way.
FEWEST_KINDS = 17


class Capture:
    """One world's capture of the link, and the names of what is in it."""

    def __init__(self, folder, run):
        self.file = folder / LINK
        self.keys = folder / "esp_sa"
        self.pods = {host["lease"].rsplit(".", 1)[0] + ".": host["name"] for host in run["hosts"]}

    def by_role(self, address):
        """A pod's address by its host: which lease that got depends on who asked first."""
        prefix, _, last = address.rpartition(".")
        return f"pod .{last} of {self.pods[prefix + '.']}" if prefix + "." in self.pods else address

    def kind(self, packet):
        """What a packet between pods is, in words of both worlds; None for what only one has, as a tool's control
        connection."""
        ip = packet.all("ip")[-1]
        way = f"{self.by_role(ip['src'])} to {self.by_role(ip['dst'])}"
        if ip.number("frag_offset") > 0:
            return f"{way}: fragment at {ip['frag_offset']}"
        transport = next((layer for layer in reversed(packet.layers) if layer.name in ("udp", "tcp", "icmp")), None)
        if transport is None or transport.name == "icmp":
            return None
        flow = next((FLOWS[port] for port in (transport.number(end) - FIRST_PORT for end in ("dstport", "srcport"))
                     if 0 <= port < len(FLOWS)), None)
        if flow is None or (transport.name == "tcp") != (flow == "stream"):
            return None
        if transport.name == "tcp":
            return f"{way}: {flow}, TCP flags {transport['flags']}, {transport['len']} octets"
        if flow == "steady" and transport["length"] == "12":  # how iperf3's ends make sure of each other
            return None
        return f"{way}: {flow}, UDP length {transport['length']}"

    def first_of_each_kind(self):
        """Kind -> its first packet."""
        kinds = {}
        for packet in packets.read(self.file, f"ip.addr == {PODS} && !icmp"):
            kind = self.kind(packet)
            if kind:
                kinds.setdefault(kind, packet)
        return kinds

    def first_of_each_kind_in_esp(self):
        """The same, read with the keys that only the simulator tells; the packets are sealed all the same."""
        sealed = {packet.number: packet for packet in packets.read(self.file, "esp")}
        kinds = {}
        for packet in packets.read(self.file, f"esp && ip.addr == {PODS}", *packets.decryption(self.keys)):
            kind = self.kind(packet)
            if kind:
                kinds.setdefault(kind, sealed[packet.number])
        return kinds

    def sealed_like(self, kinds):
        """Kind -> the first sealed packet of the same way and length: all that can be seen without keys."""
        seen = {}
        for packet in packets.read(self.file, "esp"):
            seen.setdefault(way_and_length(packet), packet)
        return {kind: seen[way_and_length(packet)] for kind, packet in kinds.items() if way_and_length(packet) in seen}

    def headers(self, packet, kind):
        """(field, value) of all headers, from outside; a value that may differ as the rule that it keeps."""
        found = []
        for depth, layer in enumerate(layer for layer in packet.layers if layer.name in HEADERS):
            found.append((f"{depth}: {layer.name}", "there" if layer.name == "tcp" else f"{layer.octets} octets"))
            for name, value in layer.fields.items():
                if rule := self.value(layer, name, value, kind):
                    found.append((f"{depth}: {name}", rule))
        return found

    def value(self, layer, name, value, kind):
        """What must be equal of a field; None: nothing."""
        if layer.name == "tcp" and name not in TCP_FIELDS:
            return None
        if name in ("ip.id", "esp.spi", "esp.sequence", "udp.payload") or name.endswith("checksum_calculated"):
            return None
        if name in ("ip.checksum", "udp.checksum"):
            return "zero" if int(value, 0) == 0 else "not zero"
        if name in ("ip.src", "ip.dst"):
            return self.by_role(value)
        if name == "udp.srcport" and layer["dstport"] == "8472":
            return "a local port" if int(value) in LOCAL_PORTS else value
        if name == "udp.srcport" and "steady" in kind:
            return None
        return value


def way_and_length(packet):
    ip = packet.all("ip")[0]
    return ip["src"], ip["dst"], ip["len"]


def may_be_sent_together(backend, options):
    """Whether the udp backend's fast path may hand over a packet with others at once: on a busy machine, any."""
    return backend == "udp" and "--udp-mode=classic" not in options


def complaints(kind, simulated, real, outside):
    """Every field that differs, with both values; and what is wrong in both."""
    a, b = dict(simulated), dict(real)
    for field in sorted(a.keys() | b.keys(), key=lambda name: (int(name.split(":")[0]), name)):
        if a.get(field) != b.get(field):
            yield f"{kind}: {field}: sim {a.get(field, 'has none')}, kernel {b.get(field, 'has none')}"
        elif field.endswith("checksum.status") and a[field] == "0":
            yield f"{kind}: {field}: wrong in both worlds"
    layers = [field.split(": ")[1] for field in b if "." not in field]
    if layers[:len(outside)] != outside:
        yield f"{kind}: headers {' '.join(layers)}, expected {' '.join(outside)} first"


def compare(simulated, real, backend, options):
    """Prints what was compared; the list of complaints."""
    if "esp" in OUTSIDE[backend]:
        expected = simulated.first_of_each_kind_in_esp()
        found = real.sealed_like(expected)
    else:
        expected, found = simulated.first_of_each_kind(), real.first_of_each_kind()
    wrong, fields = [], 0
    for kind, packet in expected.items():
        if kind not in found:
            wrong.append(f"{kind}: not in the kernel's capture")
            continue
        pair = simulated.headers(packet, kind), real.headers(found[kind], kind)
        if may_be_sent_together(backend, options):
            pair = ([(name, value) for name, value in headers if name not in ("1: ip.flags", "1: ip.flags.df")]
                    for headers in pair)
        ours, theirs = pair
        fields += len(ours)
        wrong += complaints(kind, ours, theirs, OUTSIDE[backend])
    print(f"{backend}: {len(expected)} kinds of packet, {fields} fields, {len(wrong)} differences")
    for kind in expected:
        print(f"  {kind}")
    if len(expected) < FEWEST_KINDS:
        wrong.append(f"only {len(expected)} kinds of packet in the simulator's capture, expected {FEWEST_KINDS}")
    return wrong


def main():
    overlab, world, backend, options = program.Overlab(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    kind, in_udp = backend.removesuffix("-in-udp"), backend.endswith("-in-udp")
    scenario = HERE / ("headers_esp_in_udp.json" if in_udp else "headers.json")
    overlab.skip_unless_available(world, kind)
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "run"
        result = overlab.result(scenario, out, "--backend", kind, "--world", f"sim,{world}", "--capture", *options)
        runs = {run["world"]: run for run in result["runs"]}
        lost = [warning for warning in runs[world]["warnings"] if "packets are missing" in warning]
        simulated = Capture(out / "captures" / f"{kind}-seed1", runs["sim"])
        real = Capture(out / "captures" / f"{kind}-seed1-{world}", runs[world])
        wrong = lost + compare(simulated, real, backend, options)
    for line in wrong:
        print(f"FAILED {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
