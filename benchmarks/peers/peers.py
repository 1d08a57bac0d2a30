"""The proxies that are measured: how each is set up in front of the fake LLM server."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.environment import CACHE, environment
from benchmarks.peers.process import LeftOut, Program, free_port
from benchmarks.peers.upstream import MODEL
from sutazai.fleet.declared import Dialect, Priority
from sutazai.fleet.routes import BackendRoute, Key, Routes, TierRoute

HERE = Path(__file__).parent
MASTER_KEY = "sk-bench-0123456789abcdef0123456789abcdef"
AGENTS = 16
SLOTS = 4096  # queueing is measured elsewhere; here nobody waits


def agent_keys() -> tuple[str, ...]:
    return tuple(f"agent-{number:02}-0123456789abcdef0123456789abcdef" for number in range(AGENTS))


def upstream(folder: Path) -> Program:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.peers.upstream", str(port)]
    return Program(command, port=port, log=folder / "upstream.log")


def sutazai(folder: Path, backend: int, *, program: str = "sutazai.gateway") -> Program:
    """The gateway as it is run: keys, tiers and priorities, sockets of its own."""
    port, state = free_port(), folder / "state"
    state.mkdir()
    ports = {"ports": {"host": "127.0.0.1", "gateway": port}}
    (state / "config.json").write_text(json.dumps(ports))
    (state / "routes.json").write_text(_routes(backend).model_dump_json())
    command = [sys.executable, "-m", program, str(state), "--own-sockets"]
    env = {"XDG_RUNTIME_DIR": str(folder)}
    return Program(command, port=port, log=folder / "sutazai.log", env=env)


def _routes(backend: int) -> Routes:
    url = f"http://127.0.0.1:{backend}"
    priorities = tuple(Priority)
    return Routes(
        revision=1,
        backends=(BackendRoute(name="one", address=url, dialect=Dialect.OPENAI, slots=SLOTS),),
        tiers=tuple(TierRoute(name=name) for name in ("fast", "standard", "complex")),
        keys=tuple(
            Key(name=f"agent-{number:02}", secret=key, priority=priorities[number % 3])
            for number, key in enumerate(agent_keys())
        ),
        keyless=False,
    )


def nginx(folder: Path, backend: int) -> Program:
    """One worker, connections to the backend kept, nothing buffered."""
    binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        raise LeftOut("nginx is not installed")
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, backend=backend))
    command = [binary, "-p", str(folder), "-c", str(config), "-e", str(folder / "nginx-error.log")]
    return Program(command, port=port, log=folder / "nginx.log")


def litellm(folder: Path, backend: int) -> Program:
    """One worker, no database, the local price list instead of a download."""
    port, config = free_port(), folder / "litellm.json"
    model = {
        "model": f"openai/{MODEL}",
        "api_base": f"http://127.0.0.1:{backend}/v1",
        "api_key": "none",
    }
    # JSON is YAML, too.
    config.write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": model}]}))
    command = [_environment() / "litellm", "--config", config, "--host", "127.0.0.1"]
    return Program(
        [*map(str, command), "--port", str(port), "--num_workers", "1"],
        port=port,
        log=folder / "litellm.log",
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": MASTER_KEY},
    )


def starlette(folder: Path, backend: int) -> Program:
    """`starlette_proxy` under uvicorn with uvloop and httptools, one worker."""
    port = free_port()
    command = [_environment() / "uvicorn", "starlette_proxy:app", "--app-dir", HERE]
    options = ["--port", port, "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    return Program(
        [str(part) for part in (*command, *options)],
        port=port,
        log=folder / "starlette.log",
        env={"UPSTREAM": f"http://127.0.0.1:{backend}"},
    )


PEERS: dict[str, Callable[[Path, int], Program]] = {
    "sutazai": sutazai,
    "nginx": nginx,
    "litellm": litellm,
    "starlette": starlette,
}


def _environment() -> Path:
    """The folder of the peers' programs; installed on first use. Raises LeftOut."""
    return environment(CACHE, HERE / "requirements.txt")


_NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    keepalive_requests 1000000000;
    upstream backend {{
        server 127.0.0.1:{backend};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""
