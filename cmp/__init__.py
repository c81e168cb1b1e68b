"""Retag: rendered manifests in, the same manifests with the newest allowed image tags out."""

__version__ = "0.1.0"
