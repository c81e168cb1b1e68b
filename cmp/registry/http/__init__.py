"""Registries over HTTP: the OCI distribution API, and who may be asked what with which login."""
