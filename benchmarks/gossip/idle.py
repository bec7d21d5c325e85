#!/usr/bin/env python3
"""What five idle agents cost, by the kernel's counters: processor, memory, and what they send.

Each agent has a network namespace of its own. After a settling time the counters are read, and again at the end:

- CPU from /proc/PID/stat, resident memory from /proc/PID/status (at the end, its peak, and the part that is no file's: the
  rest are pages of the program and its libraries, which the five share);
- bytes and packets sent by the agent's only interface, from /sys/class/net/eth0/statistics: everything, with Ethernet headers
  (14 bytes each);
- UDP sent to each peer, from iptables' counters, with IPv4 and UDP headers. Consensus goes between the
  primary and each follower, so that what two followers send each other is gossip: probes, and the health that every agent
  publishes each second (and now and then a reminder or a rekeying). `gossip_bytes_per_second` is that, over all such
  links of an agent, times four over three for its fourth link. Heartbeats count as signs of life, so a link to the primary
  carries less gossip than one that has none.

One line of JSON an agent, then one for all. The machine should do nothing else. Needs root, iproute2, iptables and a built
.build/release/meshnode; without them it says so and does nothing.
"""
import argparse
import json
import os
import sys
import time

from namespaces import NAMES, main_with, run

TICKS = os.sysconf("SC_CLK_TCK")


def count(net):
    """Rules that count and drop nothing, one for each peer and protocol."""
    for number in net.numbers:
        for peer in net.numbers:
            if peer != number:
                for protocol in ("udp", "tcp"):
                    net.iptables(number, "-A", "OUTPUT", "-p", protocol, "-d", net.address(peer))


def read(net, number, pid):
    """Everything that only grows."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    folder = "/sys/class/net/eth0/statistics"
    sent = [int(line) for line in run(*net.inside(
        number, "cat", f"{folder}/tx_bytes", f"{folder}/tx_packets", f"{folder}/rx_bytes")).split()]
    links = {}
    for line in net.iptables(number, "-L", "OUTPUT", "-v", "-x", "-n").splitlines()[2:]:
        words = line.split()
        protocol = "udp" if words[2] in ("udp", "17") else "tcp"
        peer = int(words[-1].split(".")[-1])
        links[peer, protocol, "packets"], links[peer, protocol] = int(words[0]), int(words[1])
    return {"cpu": (int(fields[11]) + int(fields[12])) / TICKS, "sent": sent, "links": links}


def memory(pid):
    with open(f"/proc/{pid}/status") as file:
        return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in file if line.startswith(("VmRSS", "VmHWM", "RssAnon"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settle", type=float, default=60, help="seconds before the counters are read")
    parser.add_argument("--seconds", type=float, default=180, help="seconds between the two readings")
    options = parser.parse_args()

    def body(net, agents):
        count(net)
        time.sleep(options.settle)
        primary = agents.primary()
        pids = {number: child.pid for number, child in agents.children.items()}
        start, before = time.monotonic(), {number: read(net, number, pids[number]) for number in net.numbers}
        time.sleep(options.seconds)
        span, after = time.monotonic() - start, {number: read(net, number, pids[number]) for number in net.numbers}
        if agents.primary() != primary:
            sys.exit("the primary changed meanwhile: nothing can be said of idle agents")
        lines = []
        for number in net.numbers:
            def rate(name, key):
                return (after[number][name][key] - before[number][name][key]) / span
            udp = {peer: rate("links", (peer, "udp")) for peer in net.numbers if peer != number}
            quiet = [value for peer, value in udp.items() if primary not in (number, peer)]
            packets = [rate("links", (peer, "udp", "packets")) for peer in udp if primary not in (number, peer)]
            held = memory(pids[number])
            lines.append({
                "idle": NAMES[number - 1], "is_primary": number == primary,
                "cpu_percent_of_a_core": round((after[number]["cpu"] - before[number]["cpu"]) / span * 100, 3),
                "resident_mib": round(held["VmRSS"], 1), "peak_mib": round(held["VmHWM"], 1),
                "resident_of_no_file_mib": round(held["RssAnon"], 1),
                "interface_bytes_per_second": round(rate("sent", 0)),
                "interface_packets_per_second": round(rate("sent", 1), 1),
                "udp_bytes_per_second": round(sum(udp.values())),
                "tcp_bytes_per_second": round(sum(
                    rate("links", (peer, "tcp")) for peer in net.numbers if peer != number)),
                "gossip_bytes_per_second": round(sum(quiet) / len(quiet) * 4) if quiet else None,
                "gossip_packets_per_second": round(sum(packets) / len(packets) * 4, 1) if packets else None})
            print(json.dumps(lines[-1]), flush=True)
        gossip = [line["gossip_bytes_per_second"] for line in lines if line["gossip_bytes_per_second"] is not None]
        print(json.dumps({
            "idle": "all", "agents": len(lines), "seconds": round(span, 1),
            "cpu_percent_max": max(line["cpu_percent_of_a_core"] for line in lines),
            "resident_mib_max": max(line["resident_mib"] for line in lines),
            "gossip_bytes_per_second_mean": round(sum(gossip) / len(gossip))}), flush=True)
        return 0

    return main_with(body, "nothing was measured")


if __name__ == "__main__":
    sys.exit(main())
