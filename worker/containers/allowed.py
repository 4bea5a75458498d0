"""What an operator allows: images by their beginning, service accounts by name."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.container import Container
from worker.containers.settings import ContainerSettings

_ENDS = ("/", ":", "@")


def refusal_of(container: Container, settings: ContainerSettings) -> str | None:
    """Return why a container may not run here, with the rule that says so; None where it may."""
    if not image_allowed(container.image, settings.images):
        rule = "has " + ", ".join(settings.images) if settings.images else "is empty"
        return (
            f"the image {container.image!r} is not allowed: CONTAINERS_IMAGES of the workers {rule}"
        )
    account = container.service_account
    if account is not None and account not in settings.service_accounts:
        allowed = ", ".join(settings.service_accounts) or "none"
        return (
            f"the service account {account!r} is not allowed: CONTAINERS_SERVICE_ACCOUNTS of the workers "
            f"has {allowed}"
        )
    return None


def image_allowed(image: str, prefixes: Sequence[str]) -> bool:
    """Tell whether an image begins with one of the prefixes, up to a whole part of its name.

    Compared as written: `registry.example/team` allows `registry.example/team/app`, but neither
    `registry.example/team-b/app` nor a short name that the node would complete.
    """
    return any(_begins(image, prefix) for prefix in prefixes)


def _begins(image: str, prefix: str) -> bool:
    if not image.startswith(prefix):
        return False
    rest = image[len(prefix) :]
    return not rest or prefix.endswith(_ENDS) or rest.startswith(_ENDS)
