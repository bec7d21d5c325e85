#!/usr/bin/env python3
"""Writes and reads through three nodes of MeshNode and of etcd, interleaved on one machine.

Both run with fsync on. load.go loads both through their own network interfaces: etcd through its Go client (gRPC),
MeshNode through Go's HTTP client. In between, `meshnode bench raft` measures a mesh of its own with a leaner client of
HTTP, since on one machine the client's work is part of every figure. MeshNode's frames are sealed; etcd's peers speak
plain HTTP. The machine should do nothing else. One line of JSON for each run, then one for each comparison.

Needs Debian's etcd-server, golang-go and golang-etcd-server-dev, and a built .build/release/meshnode.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODES = ["aurora", "vengeance", "sark"]
# Of one user on one node; the load is one user's.
LIMITS = "limits:\n  requests_per_minute: 1000000\n"


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


def build_load(folder):
    """load.go against Debian's packaged etcd client, which lies in a GOPATH."""
    source = folder / "go" / "src" / "load"
    source.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "load.go", source / "main.go")
    environment = dict(
        os.environ, GO111MODULE="off", GOPATH=f"{folder / 'go'}:/usr/share/gocode", GOCACHE=str(folder / "cache"))
    subprocess.run(["go", "build", "-o", str(folder / "load"), "."], cwd=source, env=environment, check=True)
    return folder / "load"


class Loaded:
    """What load.go loads, with the arguments that name it."""
    ops = ["put", "get", "local"]

    def measure(self, load, op, clients, options):
        return json.loads(subprocess.run(
            [str(load), *self.arguments, "-op", op, "-clients", str(clients), "-seconds", str(options.seconds),
             "-size", str(options.value_bytes)],
            check=True, capture_output=True, text=True).stdout)


class Etcd(Loaded):
    name = "etcd"

    def __init__(self, folder, base):
        clients = [base + 2 * place for place in range(3)]
        cluster = ",".join(f"e{place}=http://127.0.0.1:{client + 1}" for place, client in enumerate(clients))
        self.endpoints = ",".join(f"127.0.0.1:{client}" for client in clients)
        self.arguments = ["-target", "etcd", "-endpoints", self.endpoints]
        self.children = [
            subprocess.Popen(
                ["etcd", "--name", f"e{place}", "--data-dir", str(folder / f"etcd{place}"),
                 "--listen-peer-urls", f"http://127.0.0.1:{client + 1}",
                 "--initial-advertise-peer-urls", f"http://127.0.0.1:{client + 1}",
                 "--listen-client-urls", f"http://127.0.0.1:{client}",
                 "--advertise-client-urls", f"http://127.0.0.1:{client}",
                 "--initial-cluster", cluster, "--logger", "zap", "--log-level", "error"],
                stdout=subprocess.DEVNULL, stderr=open(folder / f"etcd{place}.log", "w"))
            for place, client in enumerate(clients)]
        time.sleep(4)  # etcd's own election; it has no event to wait for that its first put would not also wait for

    def stop(self):
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait()


class OwnBench:
    """A mesh that lives as long as one measurement."""
    name = "bench_raft"
    ops = ["put", "get"]

    def measure(self, load, op, clients, options):
        output = subprocess.run(
            [str(ROOT / ".build/release/meshnode"), "bench", "raft", "--configs", str(ROOT / "configs"),
             "--actions", op, "--clients", str(clients), "--seconds", str(options.seconds),
             "--value-bytes", str(options.value_bytes)],
            check=True, capture_output=True, text=True).stdout
        return json.loads(output)

    def stop(self):
        pass


class Mesh(Loaded):
    name = "meshnode"

    def __init__(self, folder, base):
        configs = folder / "configs"
        configs.mkdir()
        for node in NODES:
            lines = (ROOT / "configs" / f"{node}.yaml").read_text().splitlines()
            absent = [f"name: {other}," for other in ("runpod-tx", "robbiebook1")]
            kept = [line for line in lines if not any(name in line for name in absent)]
            (configs / f"{node}.yaml").write_text("\n".join(kept) + "\n" + LIMITS)
        self.child = subprocess.Popen(
            [str(ROOT / ".build/release/meshnode"), "demo", "--json", "--no-model", "--dir", str(folder / "mesh"),
             "--configs", str(configs), "--base-http", str(base), "--base-mesh", str(base + 10)],
            stdout=subprocess.PIPE, text=True)
        self.nodes, ready = [], None
        for line in self.child.stdout:
            document = json.loads(line)
            if document.get("ready"):
                ready = document
                break
            if "pid" in document:
                self.nodes.append(document)
        if ready is None:
            sys.exit("the mesh did not become ready")
        endpoints = ",".join(node["http"].rstrip("/") for node in self.nodes)
        self.arguments = ["-target", "meshnode", "-endpoints", endpoints, "-token", ready["api_key"]]

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each case is run, alternating")
    parser.add_argument("--seconds", type=float, default=5, help="of each run")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 64])
    parser.add_argument("--ops", nargs="*", default=["put", "get"], choices=["put", "get", "local"],
                        help="local: a get that one node answers by itself, the most that its interface can do")
    parser.add_argument("--value-bytes", type=int, default=256)
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="raft-bench-"))
    systems = []
    try:
        load = build_load(folder)
        base = free_ports(30)
        systems = [Etcd(folder, base), Mesh(folder, base + 10), OwnBench()]
        for op in options.ops:
            loaded = [system for system in systems if op in system.ops]
            for clients in options.clients:
                figures = {system.name: [] for system in loaded}
                for _ in range(options.rounds):
                    for system in loaded:
                        figure = system.measure(load, op, clients, options)
                        print(json.dumps(figure), flush=True)
                        figures[system.name].append(figure)
                compare(op, clients, figures)
    finally:
        for system in systems:
            system.stop()
        shutil.rmtree(folder, ignore_errors=True)


def compare(op, clients, figures):
    """Medians over the rounds, and each of ours over etcd's."""
    def median(name, key):
        return statistics.median(run[key] for run in figures[name])

    line = {"compare": op, "clients": clients, "rounds": len(figures["etcd"])}
    for name in figures:
        for key in ("per_second", "p50_ms", "p99_ms"):
            line[f"{name}_{key}"] = round(median(name, key), 3)
    for name in [name for name in figures if name != "etcd"]:
        line[f"{name}_throughput_ratio"] = round(median(name, "per_second") / median("etcd", "per_second"), 2)
        line[f"{name}_p99_ratio"] = round(median(name, "p99_ms") / median("etcd", "p99_ms"), 2)
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
