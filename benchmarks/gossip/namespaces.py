"""Five agents, each in a Linux network namespace of its own, joined by a bridge in yet another.

     ns 1        ns 2       ...    switch
     eth0 .1     eth0 .2           br0 ── one port each

Everything carries a random mark in its name and is removed by that name, also after Ctrl-C. Needs root, iproute2 and
iptables; the machine's own network is not touched.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agents import PROGRAM, Known, Log

NAMES = ["aurora", "vengeance", "runpod-tx", "robbiebook1", "sark"]
PORT = 7946


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(words)}` failed: {done.stderr.strip()}")
    return done.stdout


def obstacle():
    """Why nothing can be tried here; None where it can."""
    if os.geteuid():
        return "only root may make network namespaces"
    for tool in ("ip", "iptables"):
        if not shutil.which(tool):
            return f"{tool} is missing"
    if not Path(PROGRAM).exists():
        return f"{PROGRAM} is missing: make build"
    probe = f"mnprobe{random.randrange(1 << 16)}"
    try:
        run("ip", "netns", "add", probe)
        try:
            run("ip", "netns", "exec", probe, "iptables", "-L", "-n")
        finally:
            run("ip", "netns", "del", probe)
    except RuntimeError as error:
        return str(error)
    return None


class Namespaces:
    def __init__(self, count):
        self.mark = f"mn{random.randrange(0x1000, 0x10000):x}"
        self.third = random.randrange(256)
        self.numbers = range(1, count + 1)

    def __enter__(self):
        try:
            run("ip", "netns", "add", self.switch)
            run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
            run("ip", "-n", self.switch, "link", "set", "br0", "up")
            for number in self.numbers:
                name, port = self.name(number), f"port{number}"
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", self.switch)
                run("ip", "-n", name, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
                run("ip", "-n", name, "link", "set", "lo", "up")
                run("ip", "-n", name, "link", "set", "eth0", "up")
                run("ip", "-n", self.switch, "link", "set", port, "master", "br0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # A link goes when the namespace of either end does.
        for name in [self.name(number) for number in self.numbers] + [self.switch]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    @property
    def switch(self):
        return f"{self.mark}-switch"

    def name(self, number):
        return f"{self.mark}-{number}"

    def address(self, number):
        return f"10.77.{self.third}.{number}"

    def inside(self, number, *words):
        return ["ip", "netns", "exec", self.name(number), *words]

    def iptables(self, number, *words):
        return run(*self.inside(number, "iptables", "-w", *words))

    def drop(self, source, target, *match):
        """Loses what goes one way, where it arrives: `match` narrows it."""
        self.iptables(target, "-A", "INPUT", "-s", self.address(source), *match, "-j", "DROP")

    def dropped(self):
        """Packets that the present rules have lost."""
        return sum(int(line.split()[0]) for number in self.numbers
                   for line in self.iptables(number, "-L", "INPUT", "-v", "-x", "-n").splitlines() if " DROP " in line)

    def heal(self):
        for number in self.numbers:
            self.iptables(number, "-F")


class Agents:
    """Provisioned, started, and followed by their logs. Numbers count from 1, as addresses do."""

    def __init__(self, net):
        self.net = net
        self.folder = Path(tempfile.mkdtemp(prefix="gossip-namespaces-"))
        self.known = Known()
        self.children, self.logs = {}, {}

    def __enter__(self):
        try:
            configs = [self.write(number) for number in self.net.numbers]
            made = subprocess.run([PROGRAM, "init", "--json", *configs], capture_output=True, text=True)
            if made.returncode:
                raise RuntimeError(f"init failed: {made.stderr}")
            for number, config in zip(self.net.numbers, configs):
                path = self.folder / f"{NAMES[number - 1]}.log"
                log = open(path, "ab")
                self.children[number] = subprocess.Popen(
                    self.net.inside(number, PROGRAM, "run", "--config", config), stdout=log, stderr=log)
                self.logs[number] = Log(path, NAMES[number - 1], self.known)
            if not self.wait_alive(60):
                raise RuntimeError("the five did not find each other: " + json.dumps(
                    {name.name: name.read_text()[-600:] for name in self.folder.glob("*.log")}))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, number):
        peers = "\n".join(
            f"  - {{name: {NAMES[peer - 1]}, mesh: {self.net.address(peer)}:{PORT}}}"
            for peer in self.net.numbers if peer != number)
        path = self.folder / f"{NAMES[number - 1]}.yaml"
        path.write_text(
            f"name: {NAMES[number - 1]}\nrank: {100 if number == 1 else 0}\ndata_dir: data/{NAMES[number - 1]}\n"
            f"secrets_file: {NAMES[number - 1]}.secrets.yaml\nmesh:\n  listen: {self.net.address(number)}:{PORT}\n"
            f"http:\n  listen: {self.net.address(number)}:3000\n  plain_networks: [10.77.{self.net.third}.0/24]\n"
            f"peers:\n{peers}\n")
        return str(path)

    def pairs(self, observers=None, subjects=None):
        """Names of who looks at whom."""
        return [(NAMES[one - 1], NAMES[other - 1]) for one in observers or self.net.numbers
                for other in subjects or self.net.numbers if one != other]

    def history(self, observer, subject, since):
        """What one held of another from then on, each with its seconds."""
        with self.known.changed:
            return [(round(at - since, 2), state) for at, one, other, state in self.known.events
                    if (one, other) == (observer, subject) and at >= since]

    def wait_alive(self, timeout):
        """The moment at which everyone came to hold everyone alive; None if that is not within the time."""
        pairs = self.pairs()
        held = self.known.wait_all(pairs, "alive", timeout)
        return max(held.values()) if len(held) == len(pairs) else None

    def primary(self, timeout=30):
        """Whom all five name."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            named = {log.primary for log in self.logs.values()}
            if len(named) == 1 and named <= set(NAMES):
                return NAMES.index(named.pop()) + 1
            time.sleep(0.1)
        raise RuntimeError("the five agree on no primary")


def main_with(body, what):
    """Runs `body(net, agents)`, or says why it cannot. Ends all that was started, however it ends."""
    trouble = obstacle()
    if trouble:
        print(f"SKIPPED, {what}: {trouble}.", file=sys.stderr)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Namespaces(len(NAMES)) as net, Agents(net) as agents:
            return body(net, agents)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
