# Retag's image: the plugin (run by Argo CD's argocd-cmp-server), the resolver (`retag serve`), and
# the command. Needs BuildKit. docs/plugin.md says how it is built and run.
#
#     docker buildx build --platform linux/amd64,linux/arm64 \
#         --build-arg REVISION="$(git rev-parse HEAD)" \
#         --build-arg CREATED="$(git log -1 --format=%cI)" --tag registry.example.com/retag:0.1.0 .
#
# Base images are named here and nowhere else. To pin one by digest, give NAME:TAG@sha256:DIGEST as
# `docker buildx imagetools inspect NAME:TAG` prints it (that of the index: it serves both
# processors), here or as --build-arg.
ARG GO_IMAGE=golang:1.26.8-bookworm
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

# Nothing of the image's processor is run while it is built: Go compiles for it, and libraries come
# as wheels; so arm64 is built on amd64 without emulation, and the other way round.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS renderers
# As in scripts/tools.py; a test compares. What Argo CD ships.
ARG KUSTOMIZE_VERSION=v5.8.1
ARG HELM_VERSION=v4.2.4
ARG TARGETARCH
COPY scripts/image/renderers.sh /build/
RUN ["sh", "/build/renderers.sh", "/out/opt/retag/bin"]

FROM --platform=$BUILDPLATFORM ${PYTHON_IMAGE} AS libraries
ARG TARGETARCH
WORKDIR /build
COPY requirements/runtime.txt ./
COPY scripts/image/libraries.py ./
RUN python3 -I libraries.py --locked runtime.txt --architecture "$TARGETARCH" --into /out

FROM --platform=$BUILDPLATFORM ${PYTHON_IMAGE} AS tree
WORKDIR /build
COPY --from=libraries /out libraries
COPY scripts/image/tree.py ./
COPY plugin.yaml retag-plugin.py source/
COPY cmp source/cmp
COPY sidecar source/sidecar
RUN python3 -I tree.py --source source --libraries libraries --python /usr/local/bin/python3 --root /out

FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
ARG VERSION=0.1.0
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="Retag" \
      org.opencontainers.image.description="An Argo CD config management plugin that writes the newest allowed image tags into rendered manifests" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
COPY --from=renderers /out /
COPY --from=tree /out /
COPY LICENSE /opt/retag/
ENV PATH=/opt/retag/bin:/usr/local/bin:/usr/bin:/bin
# Argo CD's own user; argocd-cmp-server asks for it. The resolver is run as 998:999.
USER 999:999
HEALTHCHECK NONE
# In the plugin's container a Pod's `command` takes its place: /var/run/argocd/argocd-cmp-server.
ENTRYPOINT ["/opt/retag/bin/retag"]
CMD ["--help"]
