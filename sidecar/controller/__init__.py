"""The controller: it gets a new tag rolled out, by asking Argo CD to render once more."""
