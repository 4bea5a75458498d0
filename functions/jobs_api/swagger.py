"""The documentation page: Swagger UI as Powertools brings it, in one page."""

from __future__ import annotations

from pathlib import Path

from aws_lambda_powertools.event_handler.openapi import swagger_ui


def page(document: str) -> str:
    """Return the page for an OpenAPI document (JSON text)."""
    folder = Path(swagger_ui.__file__).parent
    return swagger_ui.generate_swagger_html(
        spec=document.replace("</", "<\\/"),  # A description must not end the script.
        swagger_js=(folder / "swagger-ui-bundle.min.js").read_text(encoding="utf-8"),
        swagger_css=(folder / "swagger-ui.min.css").read_text(encoding="utf-8"),
        swagger_base_url="",
        oauth2_config=None,
        persist_authorization=False,
    )
