"""Kubernetes and S3 behind the ports of containers."""

from __future__ import annotations

from boto3.session import Session

from worker.containers.files import S3Files
from worker.containers.kube import KubernetesCluster, load_configuration
from worker.containers.settings import ContainerSettings
from worker.containers.subsystem import Outside


def connect(session: Session, settings: ContainerSettings, results_bucket: str) -> Outside:
    """Return the cluster and the bucket. Raises Unavailable where no cluster is known."""
    cluster = KubernetesCluster(load_configuration(), settings.namespace)
    return Outside(cluster=cluster, files=S3Files(session, results_bucket))
