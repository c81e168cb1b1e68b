"""More image fields, out of a file that the operator writes."""

from __future__ import annotations

from pathlib import Path

from cmp.errors import RuleError, error_of, raise_together
from cmp.located import Located, load_documents, read_text
from cmp.manifests.fields import ImageField, InvalidImageFieldError

_FORM = "write `images: [{path: spec/image, kind: MyKind}]`, as kustomize's configuration does"


def read_fields(path: Path) -> list[ImageField]:
    """Image fields in the form of kustomize's configuration: `images: [{path, kind, …}]`.

    Raises `RuleError` with the place of what is wrong.
    """
    fields: list[ImageField] = []
    documents = load_documents(read_text(path), str(path))
    if not documents:
        raise RuleError("RT352", "no image fields here", where=str(path), remedy=_FORM)
    for document in documents:
        raise_together([error_of(fault) for fault in document.all_faults()])
        images = document.get("images")
        if images is None or not images.items:
            raise _no_field(document, "no image fields here")
        for item in images.items:
            try:
                fields.append(ImageField.parse(item.data if item.fields else {}))
            except InvalidImageFieldError as error:
                raise _no_field(item, str(error)) from None
    return fields


def _no_field(located: Located, what: str) -> RuleError:
    return RuleError("RT352", what, where=str(located.place), remedy=_FORM)
