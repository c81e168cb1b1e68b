"""The real CNCF distribution (Debian's docker-registry), in a folder of its own.

    with Registry(folder, login=True, authority=Authority(folder)) as registry:
        registry.push("team/app", "v1.0.0", images.image())

`make tools` provides the program, and `make test` puts it on PATH.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.servers.certificates import Authority
from tests.servers.images import Blob, Document
from tests.servers.loopback import PATIENCE
from tests.servers.ports import free_port
from tests.servers.tokens import Signer, TokenServer

PROGRAM = "docker-registry"
USER = "reader"
PASSWORD = "made-up-password"
SERVICE = "registry.example.com"
# The password above, hashed at the lowest cost of bcrypt; it opens nothing but these tests.
_HTPASSWD = f"{USER}:$2b$04$k46DPDXS31.usT9r1ve2mu4.G53QGmJ9lRx9AlKjk8xvrSr9rxhUO\n"
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:\d+)")


class Registry:
    """A running docker-registry; a context manager, whose end is the program's by SIGKILL.

    Entered again, it holds what it held and has the same address.

    With *login* it wants `USER` and `PASSWORD`; with *tokens* (and the *signer* of its tokens)
    Bearer tokens. With *authority* it speaks TLS, and with *clients* asks for certificates.
    """

    def __init__(
        self,
        folder: Path,
        *,
        login: bool = False,
        tokens: TokenServer | None = None,
        signer: Signer | None = None,
        authority: Authority | None = None,
        clients: bool = False,
    ) -> None:
        self._folder = folder
        self._login = login
        self._tokens = tokens
        self._signer = signer
        self._authority = authority
        self._clients = clients
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def __enter__(self) -> Self:
        program = shutil.which(PROGRAM)
        if program is None:
            raise FileNotFoundError(f"{PROGRAM} is not on PATH: run make tools, then make test")
        settings = self._folder / "registry.json"  # JSON is YAML too
        settings.write_text(json.dumps(self._settings()))
        log = self._folder / "registry.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [program, "serve", settings], stdout=output, stderr=output, env={}
            )
        try:
            self.address = self._listening(log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"{'https' if self._authority else 'http'}://{self.address}"

    def push(self, repository: str, tag: str, document: Document) -> str:
        """Push *document* with all that it refers to, children first; its digest."""
        with _Pusher(self._connection(), repository, self._authorization(repository)) as pusher:
            pusher.push(tag, document)
        return document.digest

    def delete(self, repository: str, digest: str) -> None:
        """Delete the manifest *digest* with all its tags."""
        with _Pusher(self._connection(), repository, self._authorization(repository)) as pusher:
            pusher.ask("DELETE", f"/v2/{repository}/manifests/{digest}", 202)

    def _connection(self) -> http.client.HTTPConnection:
        if self._authority is None:
            return http.client.HTTPConnection(self.address, timeout=PATIENCE)
        context = ssl.create_default_context(cafile=str(self._authority.file))
        if self._clients:
            client = self._authority.client("pusher")
            context.load_cert_chain(client.certificate_file, client.key_file)
        return http.client.HTTPSConnection(self.address, timeout=PATIENCE, context=context)

    def _authorization(self, repository: str) -> dict[str, str]:
        if self._tokens is not None:
            scopes = [f"repository:{repository}:{action}" for action in ("pull", "push", "delete")]
            return {"Authorization": f"Bearer {self._tokens.issue(SERVICE, scopes)}"}
        if self._login:
            basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return {"Authorization": f"Basic {basic}"}
        return {}

    def _settings(self) -> dict[str, Any]:
        storage = {"rootdirectory": str(self._folder / "storage")}
        return {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {"filesystem": storage, "delete": {"enabled": True}},
            "http": {
                "addr": self.address or f"127.0.0.1:{free_port()}",
                "secret": "made-up",
                **self._tls(),
            },
            "auth": self._auth(),
        }

    def _tls(self) -> dict[str, Any]:
        if self._authority is None:
            return {}
        issued = self._authority.server()
        tls: dict[str, Any] = {
            "certificate": str(issued.certificate_file),
            "key": str(issued.key_file),
        }
        if self._clients:
            tls["clientcas"] = [str(self._authority.file)]
        return {"tls": tls}

    def _auth(self) -> dict[str, Any]:
        if self._tokens is not None and self._signer is not None:
            token = {
                "realm": self._tokens.realm,
                "service": SERVICE,
                "issuer": self._tokens.issuer,
                "rootcertbundle": str(self._signer.trusted),
            }
            return {"token": token}
        if self._login:
            file = self._folder / "htpasswd"
            file.write_text(_HTPASSWD)
            return {"htpasswd": {"realm": "tests", "path": str(file)}}
        return {}

    def _listening(self, log: Path) -> str:
        """The address at which the program listens, as soon as it says so."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            text = log.read_text()
            found = _LISTENING.search(text)
            if found:
                return found[1]
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"{PROGRAM} ended: {text}")
            time.sleep(0.005)
        raise TimeoutError(f"{PROGRAM} does not listen: {text}")


class _Pusher:
    """Pushes to one repository over one connection."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        repository: str,
        headers: dict[str, str],
    ) -> None:
        self._connection = connection
        self._repository = repository
        self._headers = headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def push(self, reference: str, document: Document) -> None:
        for child in document.children:
            self.push(child.digest, child)
        for blob in document.blobs:
            self._upload(blob)
        target = f"/v2/{self._repository}/manifests/{reference or document.digest}"
        self.ask("PUT", target, 201, document.body, document.media_type)

    def ask(self, method: str, target: str, status: int, body: bytes = b"", kind: str = "") -> str:
        """Where the answer points to; raises RuntimeError unless it has *status*."""
        headers = {**self._headers, "Content-Type": kind or "application/octet-stream"}
        self._connection.request(method, target, body, headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status != status:
            raise RuntimeError(f"{method} {target} gave {response.status}: {text!r}")
        return response.getheader("Location", "")

    def _upload(self, blob: Blob) -> None:
        place = self.ask("POST", f"/v2/{self._repository}/blobs/uploads/", 202)
        parts = urlsplit(place)
        target = f"{parts.path}?{parts.query}&digest={blob.digest}"
        self.ask("PUT", target, 201, blob.body)
