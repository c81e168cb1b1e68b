"""YAML and JSON that people write, as plain data in which each value knows its place."""

from cmp.located.reader import YamlError, load_documents
from cmp.located.tree import Located, Path, locate, path_text
from cmp.located.validation import always_error, validate

__all__ = [
    "Located",
    "Path",
    "YamlError",
    "always_error",
    "load_documents",
    "locate",
    "path_text",
    "validate",
]
