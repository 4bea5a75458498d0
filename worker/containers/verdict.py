"""What a Job and its pods say about the task: a pure function, and how long some of it is borne."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from orchestrator.model.states import Outcome
from worker.containers.objects import Exit, JobSeen, PodSeen
from worker.containers.settings import ContainerSettings

LAG_SECONDS = 10.0
"""The Job and its pods are watched apart: one may be known to be over a little before the other."""
LEAVING_SECONDS = 60.0
"""Beyond its grace: a pod that is told to go and does not end is on a node that does not answer."""
TAIL_CHARS = 800
"""Of what a container said last; an error's message has 1,000 characters, and the end explains most."""
_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
_NO_IMAGE = frozenset({"InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_CANNOT_BE_MADE = frozenset({"CreateContainerConfigError", "RunContainerError"})
_NO_SUCH_IMAGE = re.compile(
    r"not found|manifest unknown|unauthorized|denied|forbidden|authorization failed|does not exist"
    r"|no match for platform|no basic auth credentials",
    re.IGNORECASE,
)
"""Answers of registries that another try does not change; others (time-outs, 5xx, 429) may pass."""
_CANNOT_START = frozenset({"StartError", "ContainerCannotRun"})
_OWN_EVICTION = re.compile(r"exceed(s|ed) (its local ephemeral storage|the (total )?limit)")
"""A pod evicted for its own use of disk, not for its node's sake."""


class State(Enum):
    """Where a container stands."""

    NO_POD = "no pod"
    UNSCHEDULABLE = "unschedulable"
    STARTING = "starting"
    NOT_PULLED = "image not pulled"
    RUNNING = "running"
    LEAVING = "told to go"
    LAGGING = "over, by the Job alone"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """How a run ended. INTERRUPTED is nobody's failure: the task begins again.

    `text` is the termination message, `pod` the one whose log tells more. `job_stays`: it has ended, so
    that it can be looked at until its time is over; else it must be deleted.
    """

    outcome: Outcome
    type: str = ""
    message: str = ""
    retryable: bool = True
    exit_code: int | None = None
    duration_ms: int = 0
    text: str = ""
    pod: str | None = None
    job_stays: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen: a state, what is said about it, and how it ended where it has."""

    state: State
    detail: str = ""
    over: Over | None = None


def look(job: JobSeen, pods: Sequence[PodSeen]) -> Sight:
    """Say where a container stands."""
    pod = _newest(pods)
    if pod is None:
        return Sight(State.LAGGING if job.over else State.NO_POD)
    if pod.over:
        return Sight(State.OVER, over=_ended(pod))
    if job.over:
        return Sight(State.LAGGING)
    if pod.deleting or pod.disruption is not None:
        return Sight(State.LEAVING, pod.disruption or "its pod is being deleted")
    if pod.running:
        return Sight(State.RUNNING)
    if pod.unschedulable is not None:
        return Sight(State.UNSCHEDULABLE, pod.unschedulable)
    return _waiting(pod)


def given_up(
    job: JobSeen, sight: Sight, seconds: float, settings: ContainerSettings
) -> Over | None:
    """Return how a run ends that has been in a state for `seconds`; None while that is borne."""
    if sight.over is not None:
        return sight.over
    match sight.state:
        case State.LAGGING if seconds > LAG_SECONDS:
            return _by_job_alone(job)
        case State.LEAVING if seconds > settings.grace_seconds + LEAVING_SECONDS:
            return Over(outcome=Outcome.INTERRUPTED, message=sight.detail)
        case State.UNSCHEDULABLE if seconds > settings.pending_seconds:
            text = f"no node took it within {settings.pending_seconds} s: {sight.detail}"
            return _failed("Unschedulable", text)
        case State.NOT_PULLED if seconds > settings.pull_seconds:
            return _failed(
                "ImagePull", f"not pulled within {settings.pull_seconds} s: {sight.detail}"
            )
    return None


def without_pod(reasons: Sequence[str], settings: ContainerSettings) -> Over | None:
    """Judge a Job that never got a pod, by the warnings about it; None: by quota, so it waits."""
    if reasons and "exceeded quota" in reasons[-1]:
        return None
    told = reasons[-1] if reasons else "Kubernetes does not say why (kubectl describe the Job)"
    return _failed("NoPod", f"no pod was made within {settings.pending_seconds} s: {told}")


def _newest(pods: Sequence[PodSeen]) -> PodSeen | None:
    return max(
        pods, key=lambda pod: (pod.phase == "Succeeded", pod.created_at, pod.name), default=None
    )


def _waiting(pod: PodSeen) -> Sight:
    reason, message = pod.waiting or ("", "")
    told = f"{reason}: {message}" if message else reason
    if reason in _CANNOT_BE_MADE:
        return Sight(State.OVER, over=_failed(reason, told, retryable=False))
    named = f"{pod.image}: {told}"
    if reason in _NO_IMAGE or (reason in _PULLING and _NO_SUCH_IMAGE.search(message)):
        return Sight(State.OVER, over=_failed("ImagePull", named, retryable=False))
    return Sight(State.NOT_PULLED, named) if reason in _PULLING else Sight(State.STARTING, told)


def _failed(type: str, message: str, *, retryable: bool = True) -> Over:
    return Over(outcome=Outcome.FAILED, type=type, message=message, retryable=retryable)


def _ended(pod: PodSeen) -> Over:
    """Judge a pod that has ended."""
    if pod.phase == "Succeeded":
        text = pod.exit.message if pod.exit else ""
        return _over(pod, Outcome.SUCCEEDED, text=text)
    if pod.disruption is not None:
        return _over(pod, Outcome.INTERRUPTED, message=pod.disruption)
    if pod.reason == "DeadlineExceeded":
        waited = ": ".join(filter(None, pod.waiting or ()))
        text = "the container did not end within its time-out"
        message = f"{text}; it never started: {waited}" if waited else text
        return _over(pod, Outcome.TIMED_OUT, type="TimedOut", message=message)
    if pod.reason == "Evicted" and _OWN_EVICTION.search(pod.message):
        return _over(pod, Outcome.FAILED, type="Evicted", message=pod.message)
    return _by_exit(pod, pod.exit)


def _by_exit(pod: PodSeen, exit: Exit | None) -> Over:
    told_to_go = pod.deleting and exit is not None and exit.code > 128
    if exit is None or told_to_go:
        # Rejected by its node, lost with it, or deleted by someone: the container did not fail.
        reason = pod.message or pod.reason or "its pod was deleted"
        return _over(pod, Outcome.INTERRUPTED, message=reason)
    if exit.reason == "OOMKilled":
        return _over(
            pod,
            Outcome.OUT_OF_MEMORY,
            type="OutOfMemory",
            message="the container used more memory than its limit",
            exit_code=exit.code,
        )
    if exit.reason in _CANNOT_START:
        return _over(pod, Outcome.FAILED, type=exit.reason, message=exit.message, retryable=False)
    text = exit.message.strip()[-TAIL_CHARS:]
    return _over(
        pod,
        Outcome.FAILED,
        type="ContainerExited",
        message=f"exit code {exit.code}" + (f": {text}" if text else ""),
        exit_code=exit.code,
    )


def _over(
    pod: PodSeen,
    outcome: Outcome,
    *,
    type: str = "",
    message: str = "",
    text: str = "",
    retryable: bool = True,
    exit_code: int | None = None,
) -> Over:
    return Over(
        outcome=outcome,
        type=type,
        message=message,
        text=text,
        retryable=retryable,
        exit_code=exit_code,
        duration_ms=pod.exit.duration_ms if pod.exit else 0,
        pod=pod.name,
        job_stays=True,
    )


def _by_job_alone(job: JobSeen) -> Over:
    """Judge a Job whose pods are not to be seen any more."""
    if job.succeeded:
        return Over(outcome=Outcome.SUCCEEDED, job_stays=True)
    reason, message = job.failure or ("", "")
    return Over(outcome=Outcome.INTERRUPTED, message=f"{reason}: {message}" if message else reason)
