"""Lambda handler of the API of people and programs."""

from __future__ import annotations

from jobs_api import insight, jobs, keys, meta, submissions, workers
from rest.handler import rest_handler
from rest.resolver import make_resolver

app = make_resolver()
for _part in (jobs, insight, submissions, workers, keys, meta):
    app.include_router(_part.router)
handler = rest_handler(app)
