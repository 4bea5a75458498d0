"""What the worker may do in its namespace: exactly this, and the role in k8s/ says the same."""

from __future__ import annotations

RULES: dict[tuple[str, str], frozenset[str]] = {
    ("batch", "jobs"): frozenset({"create", "list", "watch", "delete"}),
    ("", "pods"): frozenset({"list", "watch"}),
    ("", "pods/log"): frozenset({"get"}),
    # Why a Job gets no pod (quota, admission, no such service account) is said nowhere else.
    ("", "events"): frozenset({"list"}),
}
"""Verbs by API group and resource."""
OWNER_RULES: dict[tuple[str, str], frozenset[str]] = {("", "configmaps"): frozenset({"get"})}
"""Only where CONTAINERS_OWNER names a ConfigMap, and only on that name (resourceNames)."""
