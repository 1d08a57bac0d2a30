"""Which broker the fleet file names."""

from __future__ import annotations

from importlib import import_module

from sutazai.bus.carrier import Carrier
from sutazai.bus.message import Bounds
from sutazai.fleet.errors import Unavailable
from sutazai.fleet.messaging import Broker, BusSpec

_CLASSES = {Broker.NATS: ("nats", "Nats"), Broker.RABBITMQ: ("rabbitmq", "RabbitMq")}
"""Imported when they are named: their packages are extras."""


def outside_broker(spec: BusSpec, bounds: Bounds) -> Carrier | None:
    """The broker beside the log, None where the log is the broker.

    Raises Unavailable where the package that speaks with it is not installed.
    """
    if spec.broker is Broker.EMBEDDED:
        return None
    module, name = _CLASSES[spec.broker]
    try:
        kind = getattr(import_module(f"sutazai.bus.{module}"), name)
    except ImportError as cause:
        raise Unavailable(
            f"what speaks with {spec.broker} is not installed",
            hint=f"pip install 'sutazai[{spec.broker}]'",
        ) from cause
    made: Carrier = kind(spec.url, spec.prefix, bounds, spec.replicas)
    return made
