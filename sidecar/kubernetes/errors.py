"""What can go wrong between Retag and the API server; all of it is a `ResolverError`."""

from __future__ import annotations

from cmp.errors import ResolverError


class ClusterError(ResolverError):
    """The API server gave no answer, or refused; with this class itself: no answer at all."""


class ForbiddenError(ClusterError):
    """401 or 403: the account lacks a right, or is not known."""


class UnknownAccountError(ForbiddenError):
    """401: the token, or the certificate, is none that the API server takes."""


class AbsentError(ClusterError):
    """404: there is no such object."""


class UnservedError(ClusterError):
    """404: the cluster has no such kind of objects; its CustomResourceDefinition is missing."""


class ConflictError(ClusterError):
    """409: somebody else has changed the object meanwhile, or has made it already."""


class GoneError(ClusterError):
    """410: what is asked for lies too far back; list anew."""


class RefusedError(ClusterError):
    """400, 413, 422: the object, or the patch, is not accepted; asking again changes nothing."""


class OversizedError(ClusterError):
    """The answer has more bytes than are taken."""
