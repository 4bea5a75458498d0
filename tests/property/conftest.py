"""Settings of hypothesis: no example is judged by the clock. `--hypothesis-profile=deep` looks longer."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=5_000,
    stateful_step_count=80,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("unhurried")
