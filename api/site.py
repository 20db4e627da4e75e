"""The console's built files: hashed assets to keep, the page itself to ask for each time."""

import re
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# What a bundler writes: a name, eight or more characters of hash, an extension.
_HASHED = re.compile(r"(^|/)[^/]+[-.][A-Za-z0-9_-]{8,}\.[a-z0-9.]+$")
_OURS = ("api/", "sta/", "cap/", "metrics", "healthz", "readyz", "openapi.json")

NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>CityHub</title></head>
<body><h1>CityHub</h1>
<p>The hub answers, but its console is not built. <code>make console</code> builds it.</p>
<p>The interface is described in <a href="/openapi.json">openapi.json</a>.</p>
</body></html>
"""


class Console(StaticFiles):
    """Serves a folder that may be built while we run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._index = folder / "index.html"

    async def check_config(self) -> None:
        """Take a folder that is not there yet for an empty one."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, or with the page where a browser asks for one of its views."""
        path = path.removeprefix("./")
        if path.startswith(_OURS):
            raise HTTPException(404)
        view = path in ("", ".") or ("." not in path.rsplit("/", 1)[-1] and _wants_page(scope))
        if view and scope["method"] in ("GET", "HEAD"):
            if not self._index.is_file():
                return HTMLResponse(NOT_BUILT, headers={"Cache-Control": "no-cache"})
            path = "index.html"
        response = await super().get_response(path, scope)
        kept = path.startswith("assets/") and _HASHED.search(path)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if kept else "no-cache"
        return response


def _wants_page(scope: Scope) -> bool:
    return "text/html" in Request(scope).headers.get("accept", "")
