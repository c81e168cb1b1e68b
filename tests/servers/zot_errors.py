"""The bodies and headers with which Zot says no, as recorded (`recorded/`)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from tests.servers.images import compact
from tests.servers.loopback import Response

JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
NO_SNIFF = {"X-Content-Type-Options": "nosniff"}

# From the table of error codes in the OCI distribution specification, as Zot words it.
_ERRORS = {
    "BLOB_UNKNOWN": "blob unknown to registry",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "DENIED": "requested access to the resource is denied",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "NAME_UNKNOWN": "repository name not known to registry",
    "UNAUTHORIZED": "authentication required",
    "UNSUPPORTED": "the operation is unsupported",
}
_DESCRIPTIONS = dict(
    line.strip().split(": ", 1)
    for line in """
    BLOB_UNKNOWN: blob unknown to registry \tThis error MAY be returned when a blob is unknown \
 to the registry in a specified repository. This can be returned with a standard get or if a \
manifest references an unknown layer during upload.
    DIGEST_INVALID: When a blob is uploaded, the registry will check that the content matches \
the digest provided by the client. The error MAY include a detail structure with the key \
"digest", including the invalid digest string. This error MAY also be returned when a manifest \
includes an invalid layer digest.
    DENIED: The access controller denied access for the operation on a resource.
    MANIFEST_INVALID: During upload, manifests undergo several checks ensuring validity. If \
those checks fail, this error MAY be returned, unless a more specific error is included. The \
detail will contain information the failed validation.
    MANIFEST_UNKNOWN: This error is returned when the manifest, identified by name and tag is \
unknown to the repository.
    NAME_UNKNOWN: This is returned if the name used during an operation is unknown to the \
registry.
    UNAUTHORIZED: The access controller was unable to authenticate the client. Often this will \
be accompanied by a WWW-Authenticate HTTP response header indicating how to authenticate.
    UNSUPPORTED: The operation was unsupported due to a missing implementation or invalid set \
of parameters.
""".strip().splitlines()
)


def error(code: str, **detail: str) -> dict[str, object]:
    """One error object; *detail* stands beside its description."""
    return {
        "code": code,
        "message": _ERRORS[code],
        "detail": {"description": _DESCRIPTIONS[code], **detail},
    }


def listed(status: int, code: str, headers: Mapping[str, str] = JSON, **detail: str) -> Response:
    """An error in the form of the specification, a list of one."""
    return Response(status, headers, compact({"errors": [error(code, **detail)]}))


def bare(status: int, code: str, headers: Mapping[str, str] = JSON) -> Response:
    """An error object without the list around it: so Zot's authentication says it."""
    return Response(status, headers, compact(error(code)))


def not_routed() -> Response:
    """What the router says of a path it does not know."""
    return Response(HTTPStatus.NOT_FOUND, {**TEXT, **NO_SNIFF}, b"404 page not found\n")


def empty(status: int) -> Response:
    """A status and nothing else."""
    return Response(status)
