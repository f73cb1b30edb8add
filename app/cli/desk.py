"""Serve `examples/desk` beside the demo, from a source tree: static files on a port and so an origin of their own."""

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

FOLDER = Path(__file__).parents[2] / "examples" / "desk"
MAX_PORT = 65535
FORMER_API = "http://localhost:8000"  # in index.html
MEDIA_TYPES: Mapping[str, str] = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest of the policy is in the page
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def start_server(host: str, port: int, api: str) -> ThreadingHTTPServer | None:
    """Serve the desk for an API in a thread; return None if there is no desk or the port is not free."""
    if not (FOLDER / "index.html").is_file() or port > MAX_PORT:
        return None
    try:
        server = ThreadingHTTPServer((host, port), type("Handler", (DeskHandler,), {"api": api}))
    except OSError:
        return None
    Thread(target=server.serve_forever, name="desk", daemon=True).start()
    return server


class DeskHandler(BaseHTTPRequestHandler):
    """Answers with the page, its style and its modules, and with nothing else of the folder."""

    api: str

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name = "index.html" if path == "/" else path[1:]
        if name not in {"index.html", "desk.css", *(f"src/{file.name}" for file in FOLDER.glob("src/*.js"))}:
            self.send_error(404)
            return
        content = (FOLDER / name).read_text(encoding="utf-8")
        if name == "index.html":
            content = content.replace(FORMER_API, self.api)
        body = content.encode()
        self.send_response(200)
        self.send_header("Content-Type", f"{MEDIA_TYPES[Path(name).suffix]}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for header, value in HEADERS.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the terminal for the API's log."""
