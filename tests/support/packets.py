"""Captures as tshark reads them: an independent reader, every header field by its name."""

import subprocess
import xml.etree.ElementTree

# Every checksum is looked at; fragments stay what they are; flannel's two ports carry what they carry.
OPTIONS = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
           "-o", "ip.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE",
           "-d", "udp.port==8472,vxlan", "-d", "udp.port==8285,ip"]


def tshark(capture, *arguments):
    """What tshark prints about a capture. A tshark that is missing or fails is an exception, never a skipped check."""
    command = ["tshark", "-n", "-r", str(capture), *OPTIONS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def decryption(esp_sa):
    """Arguments with which tshark opens ESP by the lines of a file like Wireshark's esp_sa."""
    lines = [line for line in esp_sa.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return ["-o", "esp.enable_encryption_decode:TRUE", *(a for line in lines for a in ("-o", f"uat:esp_sa:{line}"))]


class Layer:
    """One protocol of a packet: its fields by tshark's name, in the packet's order."""

    def __init__(self, element):
        self.name = element.get("name")
        self.octets = element.get("size")
        self.fields = {}
        for field in element.iter("field"):
            name = field.get("name")
            # Left out: the same again under another name, for filters; what tshark works out across packets.
            if field.get("hide") == "yes" or not name:
                continue
            if field.get("value") is not None or name.endswith((".checksum.status", ".len")) or self.name == "geninfo":
                self.fields.setdefault(name, field.get("show"))

    def __getitem__(self, field):
        return self.fields[f"{self.name}.{field}"]

    def number(self, field):
        return int(self[field], 0)


class Packet:
    def __init__(self, element):
        layers = [Layer(child) for child in element.findall("proto")]
        self.number = int(layers[0].fields["num"])
        self.layers = [layer for layer in layers if layer.name not in ("geninfo", "frame", "fake-field-wrapper")]

    def all(self, name):
        return [layer for layer in self.layers if layer.name == name]


def read(capture, display_filter, *arguments):
    """The packets of a capture that pass the filter, in order."""
    text = tshark(capture, "-Y", display_filter, "-T", "pdml", *arguments)
    return [Packet(element) for element in xml.etree.ElementTree.fromstring(text).findall("packet")]
