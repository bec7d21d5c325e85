#!/usr/bin/env python3
"""How soon four survivors of five learn of a kill -9: MeshNode and Debian's serf, interleaved on one machine.

A victim is killed and started again, in turn of system and of node. A survivor knows when its own event stream (MeshNode)
or its own log (serf) says that the victim is dead; the clock is this script's. One line of JSON for each kill and
system, then one with the percentiles of each. The machine should do nothing else.

Needs Debian's serf and a built .build/release/meshnode. Ends by itself after --seconds, whatever --kills says.
"""
import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlparse

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = str(ROOT / ".build/release/meshnode")


def free_ports(count):
    """Ports that nobody listens on now, consecutive."""
    for base in range(21000, 60000, 100):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    sys.exit("no free ports")


class Known:
    """Who held whom in which state, and since when."""

    def __init__(self):
        self.changed = threading.Condition()
        self.states = {}

    def note(self, observer, subject, state):
        with self.changed:
            if self.states.get((observer, subject), (None, 0))[0] != state:
                self.states[observer, subject] = (state, time.monotonic())
                self.changed.notify_all()

    def wait(self, observers, subject, state, timeout):
        """When each observer came to hold the subject in the state; those that did not are missing."""
        def held():
            return {one: self.states[one, subject][1] for one in observers
                    if self.states.get((one, subject), (None, 0))[0] == state}
        with self.changed:
            self.changed.wait_for(lambda: len(held()) == len(observers), timeout)
            return held()


class Mesh:
    name = "meshnode"

    def __init__(self, folder, base):
        self.known = Known()
        self.demo = subprocess.Popen(
            [PROGRAM, "demo", "--json", "--no-model", "--dir", str(folder / "mesh"), "--base-http", str(base),
             "--base-mesh", str(base + 10)], stdout=subprocess.PIPE, text=True)
        self.nodes, self.started = {}, []
        for line in self.demo.stdout:
            document = json.loads(line)
            if document.get("ready"):
                self.key = document["api_key"]
                break
            if "pid" in document:
                self.nodes[document.get("node") or document["name"]] = document
        else:
            sys.exit("the mesh did not become ready")
        self.members = sorted(self.nodes)
        for name in self.members:
            threading.Thread(target=self.follow, args=(name,), daemon=True).start()

    def follow(self, name):
        address = urlparse(self.nodes[name]["http"])
        while True:
            try:
                connection = http.client.HTTPConnection(address.hostname, address.port)
                connection.request("GET", "/mesh/v1/events", headers={"Authorization": f"Bearer {self.key}"})
                event = ""
                for line in connection.getresponse():
                    line = line.decode().rstrip()
                    if line.startswith("event: "):
                        event = line[7:]
                    elif line.startswith("data: ") and event == "status":
                        for member in json.loads(line[6:])["members"]:
                            self.known.note(name, member["name"], member["state"])
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.2)

    def kill(self, name):
        os.kill(self.nodes[name]["pid"], signal.SIGKILL)

    def start(self, name):
        child = subprocess.Popen(
            [PROGRAM, "run", "--config", self.nodes[name]["config"]], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self.nodes[name]["pid"] = child.pid
        self.started.append(child)

    def stop(self):
        for child in self.started:
            if child.poll() is None:
                child.terminate()
        self.demo.send_signal(signal.SIGINT)
        self.demo.wait()


class Serf:
    name = "serf"

    def __init__(self, folder, base):
        self.known = Known()
        self.base = base
        self.members = [f"s{place}" for place in range(5)]
        self.children = {}
        for name in self.members:
            self.start(name)
        for name in self.members:
            self.known.wait([other for other in self.members if other != name], name, "alive", 20)

    def start(self, name):
        place = self.members.index(name)
        child = subprocess.Popen(
            ["serf", "agent", "-node", name, "-bind", f"127.0.0.1:{self.base + place}", "-rpc-addr",
             f"127.0.0.1:{self.base + 10 + place}", "-join", f"127.0.0.1:{self.base + (place == 0)}", "-join",
             f"127.0.0.1:{self.base + 2}", "-profile", "local"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.children[name] = child
        threading.Thread(target=self.follow, args=(name, child), daemon=True).start()

    def follow(self, name, child):
        for line in child.stdout:
            for word, state in (("EventMemberFailed: ", "dead"), ("EventMemberJoin: ", "alive")):
                if word in line:
                    self.known.note(name, line.split(word)[1].split()[0], state)

    def kill(self, name):
        self.children[name].kill()
        self.children[name].wait()

    def stop(self):
        for child in self.children.values():
            child.kill()
            child.wait()


def percentile(values, percent):
    ordered = sorted(values)
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 3) if ordered else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of each system")
    parser.add_argument("--seconds", type=float, default=150, help="no kill begins later")
    parser.add_argument("--systems", nargs="*", default=["meshnode", "serf"])
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="gossip-bench-"))
    end = time.monotonic() + options.seconds
    systems, spans, missed = [], {}, {}
    try:
        base = free_ports(60)
        for number, make in enumerate([Mesh, Serf]):
            if make.name in options.systems:
                systems.append(make(folder, base + 30 * number))
        for kill in range(options.kills):
            for system in systems:
                if time.monotonic() > end:
                    break
                victim = system.members[kill % len(system.members)]
                survivors = [name for name in system.members if name != victim]
                system.known.wait(survivors, victim, "alive", 30)
                time.sleep(1 + kill % 10 / 13)
                killed = time.monotonic()
                system.kill(victim)
                seen = system.known.wait(survivors, victim, "dead", 30)
                known = {name: round(seen[name] - killed, 4) for name in seen}
                spans.setdefault(system.name, []).extend(known.values())
                missed[system.name] = missed.get(system.name, 0) + len(survivors) - len(known)
                print(json.dumps({"system": system.name, "kill": kill, "victim": victim, "known": known}), flush=True)
                system.start(victim)
        for name, values in spans.items():
            print(json.dumps({
                "compare": "kill -9", "system": name, "observations": len(values), "missed": missed[name],
                "p50_seconds": percentile(values, 50), "p99_seconds": percentile(values, 99),
                "max_seconds": percentile(values, 100)}), flush=True)
    finally:
        for system in systems:
            system.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
