#!/bin/sh
# Builds kustomize and helm for an image, for the machine that it will run on:
#
#     KUSTOMIZE_VERSION=v5… HELM_VERSION=v4… TARGETARCH=arm64 renderers.sh FOLDER
#
# They are static and hold no paths of this machine, so the same versions give the same bytes.
set -eu
into=$1
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT

# GOBIN must be unset: go refuses to put a program for another machine there.
unset GOBIN
export CGO_ENABLED=0 GOOS=linux GOARCH="$TARGETARCH" GOFLAGS=-trimpath GOTOOLCHAIN=local
export GOPATH="$work" GOMODCACHE="${GOMODCACHE:-$(go env GOMODCACHE)}"

go install -ldflags '-s -w' "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE_VERSION"
# Helm's own release says its version so; charts read it as .Capabilities.HelmVersion.
go install -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$HELM_VERSION" \
    "helm.sh/helm/v4/cmd/helm@$HELM_VERSION"

mkdir -p "$into"
for name in kustomize helm; do
    # One for another machine lies a folder deeper: bin/linux_arm64/helm.
    find "$work/bin" -type f -name "$name" -exec install -m 0755 {} "$into/$name" \;
    test -x "$into/$name"
done
