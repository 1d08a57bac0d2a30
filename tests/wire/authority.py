"""An authority of one's own, and servers that it vouches for."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Signs certificates; ``ca`` is the file by which it is known. Skips where openssl lacks."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self.ca = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        openssl(
            "req", "-x509", *_CURVE, "-keyout", self._key, "-out", self.ca, "-days", "2",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def certificate(self, *names: str) -> Path:
        """A file with the key and the certificate of a server of these names."""
        key, request = self._folder / "leaf.key", self._folder / "leaf.csr"
        made, extensions = self._folder / "leaf.pem", self._folder / "leaf.ext"
        extensions.write_text(f"subjectAltName={','.join(names)}\n")
        openssl("req", *_CURVE, "-keyout", key, "-out", request, "-subj", "/CN=server")
        openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", made,
        )  # fmt: skip
        made.write_text(made.read_text() + key.read_text())
        return made


def openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("there is no openssl here to make certificates")


@dataclass
class TlsServer:
    """Answers every connection's first request with `OK`. Use as ``async with``."""

    certificate: Path
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):  # as closed
                await writer.wait_closed()
