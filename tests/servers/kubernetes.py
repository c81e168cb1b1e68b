"""A real API server of Kubernetes over a real etcd, without nodes, in a folder of its own.

    with ApiServer(folder) as server:
        server.create("namespaces", {"metadata": {"name": "argocd"}})
        retag("doctor", "--kubeconfig", server.kubeconfig)

`make tools` provides the programs, and `make test` puts them on PATH. Who has `server.token` may
do all; for others there are Roles and `token_of` a ServiceAccount.
"""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.certificates import Authority
from tests.servers.ports import free_port

PROGRAMS = ("etcd", "kube-apiserver")
TOKEN = "made-up-token-of-an-administrator"
_PATIENCE = 60.0  # on a busy machine the API server takes its time
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"

Object = dict[str, Any]


class ApiServer:
    """A running kube-apiserver; a context manager, whose end is that of both programs.

    *admission* are further admission plugins to switch off, as Kubernetes calls them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.authority = Authority(folder)
        self._ports = {name: free_port() for name in PROGRAMS} | {"peers": free_port()}
        self.url = f"https://127.0.0.1:{self._ports['kube-apiserver']}"
        self.ca_file = self.authority.file
        self.token = TOKEN
        self._http = httpx.Client(
            base_url=self.url,
            verify=ssl.create_default_context(cafile=str(self.ca_file)),
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=_PATIENCE,
            trust_env=False,
        )
        self.kubeconfig = self.kubeconfig_for(TOKEN, "admin")

    def __enter__(self) -> Self:
        try:
            self._start("etcd", self._etcd())
            self._write_keys()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._end("etcd")
        self._http.close()

    def start(self) -> None:
        """Start the API server, on what etcd holds, at the same place; it answers on return."""
        self._start("kube-apiserver", self._kube_apiserver())
        self._wait()

    def kill(self) -> None:
        """End the API server at once; etcd keeps what it held."""
        self._end("kube-apiserver")

    def compact(self, version: int) -> None:
        """Have etcd forget all that happened before *version*."""
        url = f"http://127.0.0.1:{self._ports['etcd']}/v3/kv/compaction"
        asked = {"revision": str(version), "physical": True}
        httpx.post(url, json=asked, timeout=_PATIENCE, trust_env=False).raise_for_status()

    def back_up(self) -> Path:
        """A folder with what etcd holds at this moment, for `restore`."""
        folder = self._folder / "backup"
        etcd = self._running["etcd"]
        etcd.send_signal(signal.SIGSTOP)
        shutil.copytree(self._folder / "etcd", folder)
        etcd.send_signal(signal.SIGCONT)
        return folder

    def restore(self, backup: Path) -> None:
        """Restart with what etcd held then; its count goes on from there, as after a restore."""
        self.kill()
        self._end("etcd")
        shutil.rmtree(self._folder / "etcd")
        shutil.copytree(backup, self._folder / "etcd")
        self._start("etcd", self._etcd())
        self.start()

    def pause(self) -> None:
        """Let the API server hang, with all its connections open."""
        self._running["kube-apiserver"].send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running["kube-apiserver"].send_signal(signal.SIGCONT)

    def kubeconfig_for(self, token: str, name: str, namespace: str = "argocd") -> Path:
        """A kubeconfig with *token*, in the file *name*."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "it", "user": "it", "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": context}],
            "current-context": "it",
        }
        path = self._folder / f"{name}.kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def token_of(self, namespace: str, account: str, seconds: int = 3600) -> str:
        """A token of the ServiceAccount, as kubelet would mount it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        spec = {"expirationSeconds": seconds}
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        token = self.request("POST", path, asked)["status"]["token"]
        assert isinstance(token, str)
        return token

    def namespace(self, name: str) -> str:
        """*name*, which is a namespace now."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def apply(self, *objects: Mapping[str, Any], force: bool = True) -> None:
        """Create *objects*, or replace the fields they state, as `kubectl apply --server-side`.

        Without *force*, a field of somebody else that is to be changed is an error.
        """
        for each in objects:
            path = f"{self.path_of(each)}/{each['metadata']['name']}"
            self._send(
                "PATCH",
                f"{path}?fieldManager=tests&force={str(force).lower()}",
                each,
                "application/apply-patch+yaml",
            )

    def path_of(self, manifest: Mapping[str, Any]) -> str:
        """The path of all objects of *manifest*'s kind, in its namespace."""
        version, kind = manifest["apiVersion"], manifest["kind"]
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        served = self.request("GET", base)["resources"]
        found = next(each for each in served if each["kind"] == kind and "/" not in each["name"])
        if not found["namespaced"]:
            return f"{base}/{found['name']}"
        namespace = manifest["metadata"].get("namespace", "default")
        return f"{base}/namespaces/{namespace}/{found['name']}"

    def patch(self, path: str, patch: Sequence[Object] | Object) -> Object:
        """Send a JSON Patch, or for a mapping a merge patch."""
        kind = _MERGE_PATCH if isinstance(patch, Mapping) else _JSON_PATCH
        return self._send("PATCH", path, patch, kind)

    def request(self, method: str, path: str, body: Object | None = None) -> Object:
        """What the server answers to *method* on *path*; `httpx.HTTPStatusError` for an error."""
        return self._send(method, path, body, "application/json")

    def wait_for_crd(self, name: str) -> None:
        """Return when objects of the CustomResourceDefinition *name* can be made."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        deadline = time.monotonic() + _PATIENCE
        while not _is_established(self.request("GET", path)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is not served")
            time.sleep(0.02)

    def _send(self, method: str, path: str, body: Any, kind: str) -> Object:
        content = None if body is None else json.dumps(body)
        answer = self._http.request(
            method, path, content=content, headers={"Content-Type": kind, "Accept": "*/*"}
        )
        if answer.is_error:
            what = f"{answer.status_code}: {answer.text}"
            raise httpx.HTTPStatusError(what, request=answer.request, response=answer)
        found = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        assert isinstance(found, dict)
        return found

    def _write_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self._folder / "accounts.key").write_bytes(pem)
        (self._folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')

    def _etcd(self) -> list[str]:
        clients, peers = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "peers"))
        return [
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
        ]

    def _kube_apiserver(self) -> list[str]:
        issued = self.authority.server()
        key = self._folder / "accounts.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._ports['kube-apiserver']}",
            f"--tls-cert-file={issued.certificate_file}",
            f"--tls-private-key-file={issued.key_file}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            "--profiling=false",
        ]

    def _start(self, program: str, arguments: Sequence[str]) -> None:
        path = shutil.which(program)
        if path is None:
            raise FileNotFoundError(f"{program} is not on PATH: run make tools, then make test")
        with (self._folder / f"{program}.log").open("ab") as log:
            self._running[program] = subprocess.Popen(
                [path, *arguments], stdout=log, stderr=log, cwd=self._folder, env={}
            )

    def _end(self, program: str) -> None:
        process = self._running.pop(program, None)
        if process is not None:
            process.kill()
            process.wait(_PATIENCE)

    def _wait(self) -> None:
        """Return when the server is ready, and what it makes at its start is there."""
        deadline = time.monotonic() + _PATIENCE
        while not self._is_ready():
            if self._running["kube-apiserver"].poll() is not None:
                log = (self._folder / "kube-apiserver.log").read_text()[-2000:]
                raise RuntimeError(f"kube-apiserver ended: {log}")
            if time.monotonic() > deadline:
                raise TimeoutError("kube-apiserver does not get ready")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            if self._http.get("/readyz").status_code != 200:
                return False
            return self._http.get("/api/v1/namespaces/default").status_code == 200
        except httpx.TransportError:
            return False


def _is_established(crd: Object) -> bool:
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
