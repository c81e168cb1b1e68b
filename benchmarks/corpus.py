"""Makes input files: rendered manifests as charts and operators make them, with made-up names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count, islice

RULED = "registry.example.com/team/profanity-api"

_WORKLOAD = """\
# Source: profanity/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: workload-{number}
  namespace: prod
  labels:
    app.kubernetes.io/name: profanity
    app.kubernetes.io/instance: workload-{number}
    app.kubernetes.io/managed-by: Helm
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/instance: workload-{number}
  template:
    metadata:
      annotations:
        checksum/config: 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9
      labels:
        app.kubernetes.io/instance: workload-{number}
    spec:
      serviceAccountName: workload-{number}
      securityContext:
        runAsNonRoot: true
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: api
          image: "{image}"
          imagePullPolicy: IfNotPresent
          args: ["--listen=:8080", "--log-level", "info"]
          ports:
            - name: http
              containerPort: 8080
              protocol: TCP
          env:
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: GREETING
              value: "hello, world"
          livenessProbe:
            httpGet:
              path: /healthz
              port: http
          resources:
            limits:
              memory: 512Mi
            requests:
              cpu: 100m
              memory: 128Mi
          volumeMounts:
            - name: config
              mountPath: /etc/profanity
      volumes:
        - name: config
          configMap:
            name: workload-{number}
"""

_CRD_HEAD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: tasks{number}.example.com
spec:
  group: example.com
  names: {{kind: Task{number}, plural: tasks{number}}}
  scope: Namespaced
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        properties:
          containers:
            items:
              properties:
"""

_CRD_FIELD = """\
                field{number}:
                  description: "Image of the workload's container, a reference as in\\
                    \\ image: registry.example.com/other/app:1.2.3 \\u2014 see\\
                    \\ https://docs.example.com/containers#images (a \\u003cname\\u003e).\\n"
                  pattern: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$
                  properties:
                    image:
                      default: registry.example.com/other/app:1.2.3
                      type: string
                  type: object
"""

_CONFIG_HEAD = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-{number}
data:
"""

_CONFIG_FIELD = """\
  script-{number}.sh: |
    #!/bin/sh
    if [ ! -f /etc/app ]; then
      docker run --rm \\
        --volume "$PWD:/work" \\
        registry.example.com/other/app:1.2.3 "\\x1b[31mfailed\\x1b[0m"
    fi
  pod-{number}.yaml: |
    containers:
    - name: app
      image: registry.example.com/other/app:1.2.3
  dashboard-{number}.json: "{{\\"image\\": \\"registry.example.com/other/app:1.2.3\\",\\n \\"expr\\": \\"a \\u003e 1\\"}}"
"""  # noqa: E501


def sparse(size: int) -> bytes:
    """Some *size* bytes in which one document in twenty holds a ruled image.

    The others are CRDs and ConfigMaps full of `image:` lines and escapes, about as long.
    """
    return _joined(_mixed(), size)


def dense(size: int) -> bytes:
    """Some *size* bytes in which every document holds a ruled image."""
    return _joined(map(_workload, count()), size)


def _mixed() -> Iterator[str]:
    for number in count():
        yield _workload(number)
        yield from islice(chain.from_iterable((_crd(n), _config(n)) for n in count(number)), 19)


def _workload(number: int) -> str:
    return _WORKLOAD.format(number=number, image=f"{RULED}:v1.{number}.0")


def _crd(number: int) -> str:
    fields = "".join(_CRD_FIELD.format(number=field) for field in range(3))
    return _CRD_HEAD.format(number=number) + fields


def _config(number: int) -> str:
    fields = "".join(_CONFIG_FIELD.format(number=field) for field in range(3))
    return _CONFIG_HEAD.format(number=number) + fields


def _joined(documents: Iterator[str], size: int) -> bytes:
    text: list[str] = []
    length = 0
    while length < size:
        text.append("---\n" + next(documents))
        length += len(text[-1])
    return "".join(text).encode()
