#!/usr/bin/env python3
"""Derives the built-in cost profiles from measurements: python3 tests/bench/fit_cost_profiles.py [--check]

A profile is a table of stage costs. Most entries are *given* here with their reason; each of the
others is *solved* from one measured cell, in the closed form of docs/host-cpu-model.md: what one
core does for one aggregate is linear in every cost, so the unknown is (cell - rest) / coefficient.
Writes models/cost/NAME.json; with --check it only compares and fails on a difference. The same
arithmetic, from the JSON alone and in C++, is in tests/support/cost_predictor.h, which the tests use.

Units: ns, bytes, Gbit/s (= bits per ns).
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

TCP_IP = 52  # IPv4 20, TCP 20, time stamps 12
ETHERNET = 14
MAX_PACKET = 65535
STAGES = ["app_send", "app_receive", "pod_stack", "veth_bridge", "route", "vxlan_encap", "vxlan_decap",
          "esp_encrypt", "esp_decrypt", "proxy_send", "proxy_receive", "nic_tx", "nic_rx"]
MTU_OVERHEAD = {"bare": 0, "host-gw": 0, "vxlan": 50, "ipsec": 77, "udp": 28}
WIRE_OVERHEAD = {"bare": 0, "host-gw": 0, "vxlan": 50, "ipsec": 56, "udp": 28}


def acknowledgements(segments, pieces):
    """Of one aggregate that arrives in pieces: one for a piece of two segments or more, else one for two."""
    size, larger = divmod(segments, pieces)
    of = [0.5, 1.0][size >= 2]
    return (pieces - larger) * of + larger


class Load:
    """What one TCP aggregate (or one small datagram) is to the stages."""

    def __init__(self, backend, mtu, limit=44, payload=None):
        self.backend = backend
        self.mss = mtu - MTU_OVERHEAD[backend] - TCP_IP if payload is None else payload
        self.segments = 1 if payload is not None else min(limit, (MAX_PACKET - TCP_IP - 50) // self.mss)
        self.payload = self.segments * self.mss
        self.inner = self.payload + self.segments * TCP_IP
        self.outer = self.inner + self.segments * (ETHERNET + WIRE_OVERHEAD[backend])


class Profile:
    def __init__(self, name, **header):
        self.name = name
        self.header = header
        self.stages = {stage: {} for stage in STAGES}

    def given(self, stage, per_aggregate=0.0, per_segment=0.0, per_byte=0.0, **flags):
        self.stages[stage] = {"per_aggregate_ns": per_aggregate, "per_segment_ns": per_segment,
                              "per_byte_ps": per_byte * 1000, **flags}

    def take(self, stage, other):
        self.stages[stage] = dict(other.stages[stage])

    def cost(self, stage, aggregates, segments, size):
        c = self.stages[stage]
        if c.get("segments_apart"):
            aggregates = segments
        return (aggregates * c.get("per_aggregate_ns", 0) + segments * c.get("per_segment_ns", 0) +
                size * c.get("per_byte_ps", 0) / 1000)

    def pod_path(self, load, aggregates, segments, size):
        """pod_stack, and outside of a bare-metal run the way from the pod to the host."""
        stages = ["pod_stack"] if load.backend == "bare" else ["pod_stack", "veth_bridge", "route"]
        return sum(self.cost(stage, aggregates, segments, size) for stage in stages)

    def encapsulate(self, load, segments, size):
        stage = {"vxlan": "vxlan_encap", "ipsec": "esp_encrypt"}.get(load.backend)
        return self.cost(stage, 1, segments, size) if stage else 0.0

    def sender_core(self, load):
        return (self.cost("app_send", 1, load.segments, load.inner) +
                self.pod_path(load, 1, load.segments, load.inner) +
                self.encapsulate(load, load.segments, load.inner) +
                self.cost("nic_tx", 1, load.segments, load.outer))

    def ack(self, load):
        """One acknowledgement on its way out, run by the core that handles the reception."""
        return (self.pod_path(load, 1, 1, TCP_IP) + self.encapsulate(load, 1, TCP_IP) +
                self.cost("nic_tx", 1, 1, TCP_IP + ETHERNET + WIRE_OVERHEAD[load.backend]))

    def softirq_core(self, load, flows=1, tcp=True):
        """The receiving core, for one aggregate; `flows` share the tunnel (only ESP mixes them)."""
        decap = {"vxlan": "vxlan_decap", "ipsec": "esp_decrypt"}.get(load.backend)
        pieces = min(load.segments, flows) if load.backend == "ipsec" else 1
        total = self.cost("nic_rx", 1, load.segments, load.outer)
        if decap:
            total += self.cost(decap, 1, load.segments, load.outer)
        total += self.pod_path(load, pieces, load.segments, load.inner)
        return total + (self.ack(load) * acknowledgements(load.segments, pieces) if tcp else 0)

    def app_core(self, load):
        return self.cost("app_receive", 1, load.segments, load.inner)

    def proxy_core(self, load):
        """udp backend, receiving proxy: every segment alone, an acknowledgement for every second."""
        one = load.inner / load.segments
        segment = (self.cost("proxy_receive", 1, 1, one) + self.pod_path(load, 1, 1, one))
        ack = (self.pod_path(load, 1, 1, TCP_IP) + self.cost("proxy_send", 1, 1, TCP_IP) +
               self.cost("nic_tx", 1, 1, TCP_IP + ETHERNET + WIRE_OVERHEAD["udp"]))
        return load.segments * (segment + ack / 2)

    def one_way(self, load, wire):
        """Latency of one small packet between idle hosts."""
        total = self.sender_core(load) + wire + self.softirq_core(load, tcp=False) + self.app_core(load)
        return total + self.header["wakeup_ns"]

    def solve(self, stage, key, cell, function):
        """Sets stages[stage][key] so that function(), which is linear in it, equals `cell` (0 at least)."""
        values = self.stages[stage]
        scale = 1000.0 if key == "per_byte_ps" else 1.0
        before, now = values.get(key, 0.0), function()
        values[key] = before + scale
        slope = function() - now
        values[key] = max(0.0, before + (cell - now) / slope * scale)

    def solve_two(self, first, second):
        """Two unknowns, two cells [(stage, key, cell, function)]: in turns, each cell being dominated by its own."""
        for _ in range(200):
            self.solve(*first)
            self.solve(*second)

    def as_json(self):
        stages = {}
        for stage in STAGES:
            values = self.stages[stage]
            stages[stage] = {key: values[key] if isinstance(values[key], bool) else round(values[key])
                             for key in values if values[key]}
        return json.dumps({"name": self.name, **self.header, "stages": stages}, indent=4) + "\n"


def time_for(load, gbps):
    """What one core may spend on one aggregate if it carries `gbps` of payload."""
    return load.payload * 8 / gbps


def laptop():
    """Kernel 6.18, 2 cores, veth instead of NICs: host-gw 23.4 and vxlan 15.6 Gbit/s at MTU 1500, 24.5
    and 20.4 at 9000 (the last is not used and comes out 1 % low); UDP ping-pong 28 and 36 us; flannel's
    udp 0.91 and 4.28 Gbit/s."""
    p = Profile("laptop", source="", cores=4, max_backlog=1000, max_aggregate_segments=44, wakeup_ns=4000)
    # Together with nic_rx and the ACKs this spends 0.63 CPU-s/GB, as measured for host-gw.
    p.given("app_send", 600, 0, 0.055)
    p.given("app_receive", 800, 0, 0.14)
    p.given("pod_stack", 1500)
    p.given("veth_bridge", 1200)
    p.given("route", 800)
    p.given("nic_tx", 300)
    p.given("nic_rx", 300)
    small, jumbo = Load("host-gw", 1500), Load("host-gw", 9000)
    p.solve_two(("nic_rx", "per_segment_ns", time_for(small, 23.4), lambda: p.softirq_core(small)),
                ("nic_rx", "per_byte_ps", time_for(jumbo, 24.5), lambda: p.softirq_core(jumbo)))
    # Ping-pong: 36 against 28 us, so 4 us one way for encapsulating and the opposite.
    p.given("vxlan_encap", 1700)
    p.given("vxlan_decap", 2300)
    tunnel = Load("vxlan", 1500)
    p.solve("vxlan_decap", "per_segment_ns", time_for(tunnel, 15.6), lambda: p.softirq_core(tunnel))
    # One process, a read and a write a packet each way: the two copies are the difference of the MTUs.
    small, jumbo = Load("udp", 1500), Load("udp", 9000)
    proxy = dict(segments_apart=True, single_core=True)
    p.given("proxy_send", 0, 0, 0.55, **proxy)
    p.given("proxy_receive", 0, 0, 0.55, **proxy)

    def both(load):
        p.stages["proxy_send"].update(p.stages["proxy_receive"])
        return p.proxy_core(load)
    p.solve_two(("proxy_receive", "per_aggregate_ns", time_for(small, 0.91), lambda: both(small)),
                ("proxy_receive", "per_byte_ps", time_for(jumbo, 4.28), lambda: both(jumbo)))
    both(small)
    # The remainder of the ping-pong of 28 us is waking up.
    ping = Load("host-gw", 1500, payload=64)
    p.header["wakeup_ns"] = 0
    p.header["wakeup_ns"] = round(14000 - p.one_way(ping, 0))
    p.header["source"] = (
        "measured on a 2-core virtual machine (AMD EPYC Milan, Linux 6.18), pods and hosts as network namespaces "
        "joined by veth: single-flow TCP at MTU 1500 and 9000, 64-byte UDP ping-pong, CPU-seconds per GB, for "
        "host-gw, vxlan and flannel's udp; ESP could not be measured there and is taken from infrabuilder-2024; "
        "4 cores assumed; derived by tests/bench/fit_cost_profiles.py")
    return p


def infrabuilder(pods):
    """InfraBuilder's CNI benchmark 2024-01, 40 Gbit/s, MTU 9000, and the UDP cells of its 2020 run."""
    name = "infrabuilder-2024-pods" if pods else "infrabuilder-2024"
    p = Profile(name, source="", cores=16, max_backlog=1000, max_aggregate_segments=44, wakeup_ns=4000)
    laptop_profile = laptop()
    p.given("pod_stack", 1900)
    p.given("veth_bridge", 900)
    p.given("route", 400)
    p.given("nic_tx", 300)
    p.given("app_send", 500, 0, 0.07)    # sender's system time: 0.14-0.19 s a GB for all its stages
    p.given("app_receive", 600, 0, 0.2)  # receiver's: 0.16-0.22 s a GB
    p.given("nic_rx", 200, 350)          # a descriptor and a GRO step a segment; the rest is a byte's
    bare = Load("bare", 9000)
    base = bare if pods else Load("host-gw", 9000)
    p.solve("nic_rx", "per_byte_ps", time_for(base, 31.37), lambda: p.softirq_core(base))
    if pods:
        plain = Load("host-gw", 9000)  # kube-router, the same benchmark: no encapsulation
        p.solve("veth_bridge", "per_aggregate_ns", time_for(plain, 22.70), lambda: p.softirq_core(plain))
    packet = Load("host-gw", 1500, payload=1472 - 24)
    tunnel = Load("vxlan", 1500, payload=1472 - 74)
    if not pods:
        p.solve("app_send", "per_aggregate_ns", 4190, lambda: p.sender_core(packet))
        p.solve("vxlan_encap", "per_aggregate_ns", 6250, lambda: p.sender_core(tunnel))
    else:
        p.given("vxlan_encap", 700)
    p.given("vxlan_decap", 0, 0 if pods else 350)  # GRO walks the headers once more
    single = Load("vxlan", 9000)
    cell = (time_for(single, 20.00), lambda: p.softirq_core(single))
    if pods:
        p.solve("vxlan_decap", "per_segment_ns", *cell)
    else:
        # A small packet's 2.06 us fall on the receiver as on the sender.
        p.solve_two(("vxlan_decap", "per_aggregate_ns", 2060, lambda: p.cost("vxlan_decap", 1, 1, tunnel.outer)),
                    ("vxlan_decap", "per_byte_ps", *cell))
    # A packet's fixed part is a little above VXLAN's 2.06 us each way: guests order their ping-pong so (host-gw 85,
    # vxlan 92, ESP 116 us). Bytes take the rest.
    p.given("esp_encrypt", 2200, 0, 0.6, segments_apart=True)
    p.given("esp_decrypt", 2500, 0, 0, segments_apart=True)
    esp = Load("ipsec", 9000)
    p.solve("esp_decrypt", "per_byte_ps", time_for(esp, 6.93), lambda: p.softirq_core(esp))
    p.take("proxy_send", laptop_profile)
    p.take("proxy_receive", laptop_profile)
    p.header["source"] = (
        "InfraBuilder benchmark-k8s-cni-2024-01 (40 Gbit/s, MTU 9000, kernel 5.15, mean of 3 runs): bare metal 31.37, "
        "flannel vxlan 20.00, antrea IPsec 6.93 Gbit/s, one stream; " +
        ("kube-router without encapsulation 22.70 Gbit/s for host-gw; " if pods else
         "host-gw stands for bare metal; small packets from its 2020 run (plain routing 4.19, VXLAN 6.25 us); ") +
        "udp proxy as in laptop; derived by tests/bench/fit_cost_profiles.py")
    return p


def oncache():
    """ONCache's replication, 100 Gbit/s, MTU 1500: bare metal 39.35 and an overlay 33.27 Gbit/s, one
    flow; 44,522 and 26,799 round trips a second."""
    p = Profile("oncache-2024", source="", cores=16, max_backlog=1000, max_aggregate_segments=44, wakeup_ns=0)
    p.given("app_send", 900, 0, 0.08)
    p.given("pod_stack", 1500)
    p.given("veth_bridge", 250)  # no cell tells the pod's way from the tunnel: nearly all is the tunnel's
    p.given("route", 150)
    p.given("nic_tx", 300)
    p.given("nic_rx", 300, 60, 0.02)
    bare = Load("host-gw", 1500)
    p.given("app_receive", 900)
    p.solve("app_receive", "per_byte_ps", time_for(bare, 39.35), lambda: p.app_core(bare))
    ping = Load("bare", 1500, payload=1)
    p.header["wakeup_ns"] = round(1e9 / 44522 / 2 - p.one_way(ping, WIRE_NS))
    p.given("vxlan_encap", 2800)
    p.given("vxlan_decap", 0)
    ping = Load("vxlan", 1500, payload=1)
    flow = Load("vxlan", 1500)
    p.solve_two(("vxlan_decap", "per_aggregate_ns", 1e9 / 26799 / 2, lambda: p.one_way(ping, WIRE_NS)),
                ("vxlan_decap", "per_segment_ns", time_for(flow, 33.27), lambda: p.softirq_core(flow)))
    other = infrabuilder(pods=False)
    for stage in ("esp_encrypt", "esp_decrypt", "proxy_send", "proxy_receive"):
        p.take(stage, other)
    for esp, vxlan in (("esp_encrypt", "vxlan_encap"), ("esp_decrypt", "vxlan_decap")):
        p.stages[esp]["per_aggregate_ns"] = p.stages[vxlan]["per_aggregate_ns"] + 300  # as in infrabuilder-2024
    p.header["source"] = (
        "ONCache replication, CloudLab (100 Gbit/s, MTU 1500, AMD, kernel 5.14), one flow: bare metal 39.35 Gbit/s and "
        "22.5 us a round trip, overlay 33.27 Gbit/s and 37.3 us; esp and udp proxy as in infrabuilder-2024; derived by "
        "tests/bench/fit_cost_profiles.py")
    return p


WIRE_NS = 500  # two links and a switch


def profiles():
    base = laptop()
    fitted = infrabuilder(pods=False)
    for stage in ("esp_encrypt", "esp_decrypt"):
        base.take(stage, fitted)
    return [base, fitted, infrabuilder(pods=True), oncache()]


def report(profile):
    print(f"{profile.name}: wakeup {profile.header['wakeup_ns']} ns; Gbit/s of one flow by core "
          "(sender, soft interrupt, application), ipsec also with 8 flows")
    for mtu in (1500, 9000):
        for backend in ("bare", "host-gw", "vxlan", "ipsec"):
            load = Load(backend, mtu)
            cores = [profile.sender_core(load), profile.softirq_core(load), profile.app_core(load)]
            if backend == "ipsec":
                cores.append(profile.softirq_core(load, flows=8))
            print(f"  {mtu:5} {backend:8}" + "".join(f"{load.payload * 8 / c:8.2f}" for c in cores))
        load = Load("udp", mtu)
        print(f"  {mtu:5} udp     {load.payload * 8 / profile.proxy_core(load):8.2f} (proxy)")
    for backend in ("bare", "host-gw", "vxlan", "ipsec"):
        ping = Load(backend, 1500, payload=64)
        packet = Load(backend, 1500, payload=1448 - MTU_OVERHEAD[backend])
        print(f"  {backend:8} round trip {2 * profile.one_way(ping, WIRE_NS) / 1000:6.1f} us; a UDP packet at MTU 1500: "
              f"sender {profile.sender_core(packet):.0f}, receiver {profile.softirq_core(packet, tcp=False):.0f} ns")


def main():
    check = "--check" in sys.argv
    stale = []
    for profile in profiles():
        path = ROOT / "models" / "cost" / f"{profile.name}.json"
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != profile.as_json():
                stale.append(path.name)
        else:
            path.write_text(profile.as_json(), encoding="utf-8")
            report(profile)
    if stale:
        sys.exit("differ from what tests/bench/fit_cost_profiles.py derives: " + ", ".join(stale))


if __name__ == "__main__":
    main()
