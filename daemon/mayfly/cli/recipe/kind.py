"""`mayfly recipe kind`: a cluster whose node sees the grant's socket, and a pod with a relay beside what uses it.

The format: kind.sigs.k8s.io/docs/user/configuration (`extraMounts`); containers of a pod share a network
(kubernetes.io/docs/concepts/workloads/pods). The token is a secret that kubectl reads from a pipe. Each kubectl
names kind's context: without a cluster it must not reach another one. The token is mounted as a file alone, since
Kubernetes mounts the pod's own account below /run/secrets, too.
"""

from __future__ import annotations

import re

from mayfly.cli import speech
from mayfly.cli.recipe.wanted import (
    LISTENS,
    RELAY_IMAGE,
    SELINUX,
    TOKEN_FILE,
    Recipe,
    Wanted,
    quoted,
    relay_file,
    shell,
)


def recipe(wanted: Wanted) -> Recipe:
    """Lines for a shell: the grant, the cluster, the secret, the pod."""
    if wanted.is_desktop:
        text = "a kind cluster in Docker Desktop has no way to a socket of this machine"
        raise speech.Stop(speech.WRONG_USAGE, text, hints=("mayfly recipe compose --docker-desktop PROFILE",))
    return Recipe(_cluster(wanted) + _pod(wanted))


def _cluster(wanted: Wanted) -> str:
    """The grant, the cluster that its socket is mounted into, and the token as a secret."""
    return f"""\
# {SELINUX}
# A new grant has a new folder, and kind mounts only what a cluster is made with: a new grant takes a new cluster;
# {wanted.lasting}.
grant=$({shell("mayfly", *wanted.grant("--as", "socket")[:-1])}) && eval "$grant" &&
kind create cluster --name mayfly --wait 2m --config - <<END
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
    extraMounts:
      - {{hostPath: "${{MAYFLY_SOCKET%/*}}", containerPath: /run/mayfly, readOnly: true}}
END
kubectl --context kind-mayfly create configmap mayfly --from-file=relay.py={shell(relay_file())}
printf %s "$AWS_CONTAINER_AUTHORIZATION_TOKEN" |
  kubectl --context kind-mayfly create secret generic mayfly --from-file=mayfly=/dev/stdin
"""


def _pod(wanted: Wanted) -> str:
    """The container, and the relay as a sidecar."""
    image, *arguments = wanted.container
    user = "{runAsUser: 65534, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}"
    return f"""\
kubectl --context kind-mayfly apply -f - <<'END'
apiVersion: v1
kind: Pod
metadata: {{name: app}}
spec:
  restartPolicy: Never
  volumes:
    - {{name: socket, hostPath: {{path: /run/mayfly, type: Directory}}}}
    - {{name: relay, configMap: {{name: mayfly}}}}
    - {{name: token, secret: {{secretName: mayfly}}}}
  containers:
    - name: app
      image: {quoted(image)}
      args: {_arguments(arguments)}
      env:
{_variables(wanted)}
      volumeMounts:
        - {{name: token, mountPath: {TOKEN_FILE}, subPath: mayfly, readOnly: true}}
  initContainers:
    - name: mayfly
      restartPolicy: Always  # a sidecar, which ends with the pod
      image: {RELAY_IMAGE}
      command: {quoted(["/usr/local/bin/python3", "-I", "/mayfly/relay.py", *wanted.relay[3:]])}
      startupProbe: {{exec: {{command: {quoted(list(LISTENS))}}}, periodSeconds: 1, failureThreshold: 30}}
      securityContext: {user}
      volumeMounts:
        - {{name: socket, mountPath: /run/mayfly, readOnly: true}}
        - {{name: relay, mountPath: /mayfly, readOnly: true}}
END
"""


def _arguments(words: list[str]) -> str:
    """A list in which Kubernetes leaves each `$` as it is: it takes `$(NAME)` for a variable's value."""
    return quoted([re.sub(r"\$(?=[$(])", "$$", word) for word in words])


def _variables(wanted: Wanted) -> str:
    return "\n".join(f"        - {{name: {name}, value: {quoted(value)}}}" for name, value in wanted.variables.items())
