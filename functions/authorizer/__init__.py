"""The Lambda authorizer: an API key becomes tenant and role."""

import cold_start  # noqa: F401
