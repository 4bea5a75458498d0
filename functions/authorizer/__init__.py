"""The Lambda authorizer: an API key becomes tenant and role."""
