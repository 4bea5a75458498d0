"""Lambda handler of the API of people and programs."""

from __future__ import annotations

from jobs_api import jobs, keys, meta
from rest.handler import rest_handler
from rest.resolver import make_resolver

app = make_resolver()
for _part in (jobs, keys, meta):
    app.include_router(_part.router)
handler = rest_handler(app)
