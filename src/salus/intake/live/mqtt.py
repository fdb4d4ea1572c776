"""Readings from an MQTT broker (extra ``live``): QoS 1, confirmed to the broker only when they are durable here."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from salus.errors import ConfigurationError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

MAX_WAITING = 10_000
"""Unconfirmed messages held in memory; the broker keeps the rest."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is. ``client`` is the name of the durable session: what comes while we are away is kept."""

    host: str
    port: int = 1883
    topic: str = "salus/readings/#"
    client: str = "salus"
    tls: bool = False
    user: str = ""
    password: str = ""


class Subscriber:
    """A connection to a broker, as a context manager."""

    def __init__(self, broker: Broker) -> None:
        """Raises ConfigurationError where paho-mqtt is missing."""
        self._broker = broker
        self._messages: queue.Queue[Any] = queue.Queue(MAX_WAITING)
        self._client = _client(broker)
        self._client.on_message = lambda _, __, message: self._messages.put(message)
        self._client.on_connect = self._connected

    def _connected(self, client: Any, *_: Any) -> None:
        client.subscribe(self._broker.topic, qos=1)

    def __enter__(self) -> Subscriber:
        """Connect. Raises ConfigurationError when the broker is not there."""
        try:
            self._client.connect(self._broker.host, self._broker.port)
        except OSError as error:
            where = f"{self._broker.host}:{self._broker.port}"
            raise ConfigurationError(f"cannot connect to the broker: {error}", where=where) from error
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def pump(self, keep: Callable[[Sequence[bytes]], object], *, seconds: float, most: int = 500) -> int:
        """Wait up to ``seconds`` for messages, hand at most ``most`` to ``keep``, then confirm them to the broker.

        Whatever ``keep`` raises leaves them unconfirmed: the broker sends them again. Returns how many there were.
        """
        batch: list[Any] = []
        try:
            batch.append(self._messages.get(timeout=seconds))
            while len(batch) < most:
                batch.append(self._messages.get_nowait())
        except queue.Empty:
            pass  # that is all there is for now
        if batch:
            keep([bytes(message.payload) for message in batch])
            for message in batch:
                self._client.ack(message.mid, message.qos)
        return len(batch)


def _client(broker: Broker) -> Client:
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise ConfigurationError("MQTT needs paho-mqtt", remedy='pip install "salus[live]"') from error
    client = Client(CallbackAPIVersion.VERSION2, client_id=broker.client, clean_session=False, manual_ack=True)
    if broker.user:
        client.username_pw_set(broker.user, broker.password)
    if broker.tls:
        client.tls_set()
    return client
