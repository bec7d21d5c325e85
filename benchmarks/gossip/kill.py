#!/usr/bin/env python3
"""How soon four survivors of five learn of a kill -9: MeshNode and Debian's serf, interleaved on one machine.

A victim is killed and started again, in turn of system and of node. A survivor knows when its own log says that the victim
is dead; the clock is this script's. One line of JSON for each kill and system, then one with the percentiles of each. The
machine should do nothing else.

A kill of ours takes 3 s with starting again, one of serf 7 s or more: serf is killed less often (--serf-kills), spread evenly
between ours, and never at the same moment.

--leaves does the same with goodbyes (SIGTERM, to serf SIGINT). --stops stands agents still for 0.1 to 8 s at random
(SIGSTOP) and counts who was held dead without having been stopped.

Needs Debian's serf and a built .build/release/meshnode. Ends by itself after --seconds, whatever else is asked for.
"""
import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from agents import PROGRAM, Known, Log, percentile


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


class Mesh:
    name = "meshnode"
    goodbye = signal.SIGTERM

    def __init__(self, folder, base):
        self.folder = folder
        self.known = Known()
        self.demo = subprocess.Popen(
            [PROGRAM, "demo", "--json", "--no-model", "--dir", str(folder / "mesh"), "--base-http", str(base),
             "--base-mesh", str(base + 10)], stdout=subprocess.PIPE, text=True)
        self.nodes, self.started = {}, []
        for line in self.demo.stdout:
            document = json.loads(line)
            if document.get("ready"):
                break
            if "pid" in document:
                self.nodes[document.get("node") or document["name"]] = document
        else:
            sys.exit("the mesh did not become ready")
        self.members = sorted(self.nodes)
        for name in self.members:
            Log(self.log(name), name, self.known)

    def log(self, name):
        return self.folder / "mesh" / "logs" / f"{name}.log"

    def send(self, name, number):
        os.kill(self.nodes[name]["pid"], number)

    def start(self, name):
        """After its predecessor has ended."""
        for child in self.started:
            child.poll()
        while Path(f"/proc/{self.nodes[name]['pid']}/exe").exists():
            time.sleep(0.01)
        with open(self.log(name), "ab") as log:
            child = subprocess.Popen([PROGRAM, "run", "--config", self.nodes[name]["config"]], stdout=log, stderr=log)
        self.nodes[name]["pid"] = child.pid
        self.started.append(child)

    def stop(self):
        for child in self.started:
            if child.poll() is None:
                child.terminate()
        self.demo.terminate()
        self.demo.wait()


class Serf:
    name = "serf"
    goodbye = signal.SIGINT

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
        if name in self.children:
            self.children[name].wait()
        place = self.members.index(name)
        child = subprocess.Popen(
            ["serf", "agent", "-node", name, "-bind", f"127.0.0.1:{self.base + place}", "-rpc-addr",
             f"127.0.0.1:{self.base + 10 + place}", "-retry-join", f"127.0.0.1:{self.base + (place == 0)}", "-retry-join",
             f"127.0.0.1:{self.base + 2}", "-profile", "local"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.children[name] = child
        threading.Thread(target=self.follow, args=(name, child), daemon=True).start()

    def follow(self, name, child):
        for line in child.stdout:
            for word, state in (("EventMemberFailed: ", "dead"), ("EventMemberLeave: ", "left"), ("EventMemberJoin: ", "alive")):
                if word in line:
                    self.known.note(name, line.split(word)[1].split()[0], state)

    def send(self, name, number):
        self.children[name].send_signal(number)

    def stop(self):
        for child in self.children.values():
            child.kill()
            child.wait()


def end_one(system, place, number, state):
    """Sends one agent a signal and starts it again; how long each survivor took to hold it in the state."""
    victim = system.members[place % len(system.members)]
    survivors = [name for name in system.members if name != victim]
    system.known.wait(survivors, victim, "alive", 30)
    time.sleep(1 + place % 10 / 13)
    start = time.monotonic()
    system.send(victim, number)
    seen = system.known.wait(survivors, victim, state, 30)
    system.start(victim)
    return victim, {name: round(seen[name] - start, 4) for name in seen}, len(survivors) - len(seen)


def end_many(systems, counts, what, end):
    """`counts`: how many of each system; the fewer ones are spread evenly."""
    spans, missed = {}, {}
    rounds = max(counts.values(), default=0)
    for turn in range(rounds):
        for system in systems:
            count = counts[system.name]
            place = turn * count // rounds
            if time.monotonic() > end or place == (turn + 1) * count // rounds:
                continue
            number, state = (signal.SIGKILL, "dead") if what == "kill -9" else (system.goodbye, "left")
            victim, known, lacking = end_one(system, place, number, state)
            spans.setdefault(system.name, []).extend(known.values())
            missed[system.name] = missed.get(system.name, 0) + lacking
            print(json.dumps({"system": system.name, what: place, "victim": victim, "known": known}), flush=True)
    for name, values in spans.items():
        print(json.dumps({
            "compare": what, "system": name, "observations": len(values), "missed": missed[name],
            "p50_seconds": percentile(values, 50), "p99_seconds": percentile(values, 99),
            "max_seconds": percentile(values, 100)}), flush=True)


def stop_many(system, count, end):
    """Stands one agent after another still, two at a time at most."""
    chance, stops = random.Random(1), 0
    stopped = {name: None for name in system.members}
    blamed = {name: 0 for name in system.members}
    false, dead = 0, 0
    before = dict(system.known.states)
    while stops < count and time.monotonic() < end:
        now = time.monotonic()
        for name, until in stopped.items():
            if until and now >= until:
                system.send(name, signal.SIGCONT)
                # A verdict that was under way may still be told.
                stopped[name], blamed[name] = None, now + 1
        idle = [name for name, until in stopped.items() if not until]
        if len(idle) > 3 and chance.random() < 0.02:
            name = chance.choice(idle)
            system.send(name, signal.SIGSTOP)
            stopped[name] = now + chance.uniform(0.1, 8)
            stops += 1
        with system.known.changed:
            states = dict(system.known.states)
        for (observer, subject), (state, _) in states.items():
            if state == "dead" and before.get((observer, subject), ("", 0))[0] != "dead":
                dead += 1
                false += stopped[subject] is None and now > blamed[subject]
        before = states
        time.sleep(0.005)
    for name, until in stopped.items():
        if until:
            system.send(name, signal.SIGCONT)
    print(json.dumps({
        "compare": "SIGSTOP", "system": system.name, "stops": stops, "verdicts": dead,
        "verdicts_about_agents_that_ran": false}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="of MeshNode's agents")
    parser.add_argument("--serf-kills", type=int, default=60, help="of serf's; never more than --kills")
    parser.add_argument("--leaves", type=int, default=0, help="of each system")
    parser.add_argument("--stops", type=int, default=0, help="of each system")
    parser.add_argument("--seconds", type=float, default=2100, help="nothing begins later")
    parser.add_argument("--systems", nargs="*", default=["meshnode", "serf"])
    options = parser.parse_args()
    # Whoever ends this ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))

    folder = Path(tempfile.mkdtemp(prefix="gossip-bench-"))
    end = time.monotonic() + options.seconds
    systems = []
    try:
        base = free_ports(60)
        for number, make in enumerate([Mesh, Serf]):
            if make.name in options.systems:
                systems.append(make(folder, base + 30 * number))
        kills = {"meshnode": options.kills, "serf": min(options.serf_kills, options.kills)}
        end_many(systems, kills, "kill -9", end)
        end_many(systems, {name: options.leaves for name in kills}, "leave", end)
        for system in systems:
            if options.stops:
                stop_many(system, options.stops, end)
    finally:
        for system in systems:
            system.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
