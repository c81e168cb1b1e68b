"""YAML and JSON that people write, as plain data in which each value knows its place."""

from cmp.located.files import files_in, read_text
from cmp.located.reader import YamlError, load_documents
from cmp.located.tree import Located, Path, locate, path_text
from cmp.located.validation import StrictModel, always_error, nearest_name, validate, wrong_type

__all__ = [
    "Located",
    "Path",
    "StrictModel",
    "YamlError",
    "always_error",
    "files_in",
    "load_documents",
    "locate",
    "nearest_name",
    "path_text",
    "read_text",
    "validate",
    "wrong_type",
]
