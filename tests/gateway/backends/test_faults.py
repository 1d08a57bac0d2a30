"""Which failures count against a backend."""

from __future__ import annotations

import json

import pytest

from sutazai.fleet.errors import (
    BadInput,
    BadPeer,
    ConnectFailed,
    DeadlineExceeded,
    NoModel,
    PeerClosed,
    SutazaiError,
)
from sutazai.gateway.backends.faults import Fault, fault_of
from sutazai.gateway.failures import BackendFailed, backend_failure, inband_failure


def answered(status: int, message: str = "boom") -> BackendFailed:
    body = json.dumps({"error": {"message": message}}).encode()
    return BackendFailed(backend_failure(status, body))


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ConnectFailed("no connection"), Fault.UNREACHABLE),
        (PeerClosed("gone"), Fault.UNREACHABLE),
        (DeadlineExceeded("slow"), Fault.TIMED_OUT),
        (BadPeer("cut short"), Fault.FAILED),
        (answered(500), Fault.FAILED),
        (answered(502), Fault.FAILED),
        (answered(503), Fault.OVERLOADED),
        (answered(429), Fault.OVERLOADED),
        (answered(504), Fault.TIMED_OUT),
        (answered(408), Fault.TIMED_OUT),
        (BackendFailed(inband_failure("CUDA error: out of memory")), Fault.FAILED),
        (BackendFailed(inband_failure({"message": "busy", "code": 503})), Fault.OVERLOADED),
    ],
)
def test_what_is_the_backends_fault(error: SutazaiError, fault: Fault) -> None:
    assert fault_of(error) is fault


def test_a_backend_that_refuses_our_key_is_at_fault() -> None:
    assert fault_of(answered(401)) is Fault.FAILED


@pytest.mark.parametrize(
    "error", [answered(400), answered(404), answered(422), BadInput("no"), NoModel("no")]
)
def test_what_is_not(error: SutazaiError) -> None:
    assert fault_of(error) is None


@pytest.mark.parametrize(
    "said",
    [
        "input (5000 tokens) is too large to process. increase the physical batch size",
        "the request exceeds the available context size, try increasing it",
        "request (9001 tokens) exceeds the available context size (4096 tokens)",
        "the input length exceeds the context length",
        "Context size has been exceeded.",
        "This model's maximum context length is 8192 tokens.",
        "prompt is longer than the context window",
    ],
)
@pytest.mark.parametrize("status", [400, 500])
def test_a_prompt_that_is_too_long_is_the_clients(said: str, status: int) -> None:
    assert fault_of(answered(status, said)) is None
