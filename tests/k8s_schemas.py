"""Schemas of kinds that Kubernetes does not have: the fields used here, no others.

After argo-cd's manifests/crds (v3), k3s' docs of the Helm controller (helm.cattle.io/v1), and
KubeRay's config/crd/bases/ray.io_rayjobs.yaml (v1.5).
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string", "minLength": 1}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
DURATION: Schema = {"type": "string", "pattern": "^[0-9]+(s|m|h)$"}
STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def exactly(required: dict[str, Schema], **optional: Schema) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def several(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1}


def _manifest(api_version: str, kind: str, namespace: str, spec: Schema) -> Schema:
    metadata = exactly(
        {"name": STRING, "namespace": {"const": namespace}},
        annotations=STRINGS,
        labels=STRINGS,
        finalizers=several({"enum": ["resources-finalizer.argocd.argoproj.io"]}),
    )
    return exactly(
        {
            "apiVersion": {"const": api_version},
            "kind": {"const": kind},
            "metadata": metadata,
            "spec": spec,
        }
    )


_DESTINATION = exactly({"server": STRING, "namespace": STRING})
_KIND = exactly({"group": {"type": "string"}, "kind": STRING})

APP_PROJECT = _manifest(
    "argoproj.io/v1alpha1",
    "AppProject",
    "argocd",
    exactly(
        {"sourceRepos": several(STRING), "destinations": several(_DESTINATION)},
        description={"type": "string", "maxLength": 255},
        clusterResourceWhitelist=several(_KIND),
        namespaceResourceWhitelist=several(_KIND),
    ),
)

APPLICATION = _manifest(
    "argoproj.io/v1alpha1",
    "Application",
    "argocd",
    exactly(
        {
            "project": STRING,
            "source": exactly({"repoURL": STRING, "path": STRING, "targetRevision": STRING}),
            "destination": _DESTINATION,
        },
        ignoreDifferences=several(
            exactly({"kind": STRING}, group=STRING, name=STRING, jsonPointers=several(STRING))
        ),
        syncPolicy=exactly(
            {},
            automated=exactly({}, prune=BOOLEAN, selfHeal=BOOLEAN, allowEmpty=BOOLEAN),
            retry=exactly(
                {"limit": {"type": "integer"}},
                backoff=exactly({}, duration=DURATION, factor=COUNT, maxDuration=DURATION),
            ),
            managedNamespaceMetadata=exactly({}, labels=STRINGS, annotations=STRINGS),
            syncOptions=several({"type": "string", "pattern": "^[A-Z][A-Za-z]+=(true|false)$"}),
        ),
        revisionHistoryLimit=COUNT,
    ),
)

HELM_CHART = _manifest(
    "helm.cattle.io/v1",
    "HelmChart",
    "kube-system",
    exactly(
        # An exact version: a range would be another chart one day.
        {"chart": STRING, "version": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"}},
        repo=STRING,
        targetNamespace=STRING,
        createNamespace=BOOLEAN,
        valuesContent=STRING,
    ),
)

_CLAIM = exactly({}, storageClass=STRING, size=STRING)
_RESOURCES = exactly({}, requests=STRINGS, limits=STRINGS)

MILVUS_VALUES = exactly(
    {},
    cluster=exactly({}, enabled=BOOLEAN),
    standalone=exactly(
        {},
        messageQueue={"enum": ["rocksmq", "natsmq", "pulsar", "kafka", "woodpecker"]},
        persistence=exactly({}, enabled=BOOLEAN, persistentVolumeClaim=_CLAIM),
        resources=_RESOURCES,
    ),
    etcd=exactly(
        {},
        replicaCount=COUNT,
        persistence=exactly({}, enabled=BOOLEAN, storageClass=STRING, size=STRING),
    ),
    minio=exactly({}, enabled=BOOLEAN),
    externalS3=exactly(
        {},
        **dict.fromkeys(("enabled", "useSSL", "useIAM"), BOOLEAN),
        **dict.fromkeys(("host", "port", "bucketName", "rootPath", "region"), STRING),
        cloudProvider={"enum": ["aws"]},
    ),
    pulsarv3=exactly({}, enabled=BOOLEAN),
    service=exactly({}, type={"const": "ClusterIP"}, port=COUNT),
)
"""Of milvus-helm's values.yaml at 4.2.45."""

NODE_TERMINATION_HANDLER_VALUES = exactly(
    {},
    **dict.fromkeys(
        (
            "enableSqsTerminationDraining",
            "enableSpotInterruptionDraining",
            "enableRebalanceMonitoring",
            "enableRebalanceDraining",
            "enableScheduledEventDraining",
            "enableASGLifecycleDraining",
            "deleteLocalData",
            "ignoreDaemonSets",
            "useHostNetwork",
            "emitKubernetesEvents",
        ),
        BOOLEAN,
    ),
    podTerminationGracePeriod={"type": "integer"},
    nodeTerminationGracePeriod=COUNT,
    nodeSelector=STRINGS,
    daemonsetPriorityClassName=STRING,
    daemonsetTolerations=several(exactly({"operator": {"enum": ["Exists", "Equal"]}})),
    resources=exactly({}, requests=STRINGS, limits=STRINGS),
)
"""Of the chart's values.yaml. Helm passes over what it does not know, so a wrong name is silent."""

# A pod's metadata and spec are Kubernetes' own: tests hold them against its schema of a Pod.
_POD_TEMPLATE = exactly({"metadata": exactly({"labels": STRINGS}), "spec": {"type": "object"}})
_START = STRINGS

RAY_JOB = exactly(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": exactly({"name": STRING, "namespace": STRING}, labels=STRINGS),
        "spec": exactly(
            {
                "entrypoint": STRING,
                "rayClusterSpec": exactly(
                    {
                        "rayVersion": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
                        "headGroupSpec": exactly(
                            {"rayStartParams": _START, "template": _POD_TEMPLATE}
                        ),
                        "workerGroupSpecs": several(
                            exactly(
                                {
                                    "groupName": STRING,
                                    "rayStartParams": _START,
                                    "template": _POD_TEMPLATE,
                                },
                                replicas=COUNT,
                                minReplicas=COUNT,
                                maxReplicas=COUNT,
                            )
                        ),
                    }
                ),
            },
            submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
            backoffLimit=COUNT,
            shutdownAfterJobFinishes=BOOLEAN,
            ttlSecondsAfterFinished=COUNT,
        ),
    }
)
