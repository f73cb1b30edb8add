"""The interactive documentation at `/docs`: Scalar, from the file of an installed package."""

from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

SCRIPTS: Final = frozenset({"scalar.js", "start.js"})
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' "
    "data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE: Final = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Broadsheet API</title>
<link rel="icon" href="data:,">
<div id="reference"></div>
<noscript><p>This page needs JavaScript; <a href="/openapi.json">/openapi.json</a> does not.</noscript>
<script src="/docs/scalar.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
_START: Final = b"""Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  agent: { disabled: true },
  mcp: { disabled: true },
  telemetry: false,
  withDefaultFonts: false,
  showDeveloperTools: "never",
  hideClientButton: true,
});
"""
_SCALAR: Final = "star_openapi_scalar/templates/scalar/js/scalar.standalone.js"


@cache
def read_script(name: str) -> bytes:
    """Return one of `SCRIPTS`, from a file of a package that is not imported."""
    if name == "start.js":
        return _START
    return Path(str(distribution("star-openapi-scalar").locate_file(_SCALAR))).read_bytes()
