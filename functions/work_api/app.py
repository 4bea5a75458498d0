"""Lambda handler of the API of workers."""

from __future__ import annotations

from rest.handler import rest_handler
from rest.resolver import make_resolver
from work_api import routes

app = make_resolver()
app.include_router(routes.router)
handler = rest_handler(app)
