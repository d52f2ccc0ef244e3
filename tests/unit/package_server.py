"""A server of packages on this host: it goes on where a download stopped, is slow or breaks off where wanted."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_CHUNK = 1 << 16


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves files and lists directories. What is said here is about packages (.deb); `serving` sets all of it back."""

    pause_s = 0.0  # after each chunk
    cut = False  # break off in the middle
    ranges = True  # answer for a part of a file, as every archive does
    asked: list[tuple[str, int]] = []  # which package, from which byte on

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.suffix != ".deb" or not path.is_file():
            super().do_GET()
            return
        data, wanted = path.read_bytes(), self.headers.get("Range") if Server.ranges else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        Server.asked.append((path.name, start))
        self._answer(path, start, len(data))
        with contextlib.suppress(OSError):
            for at in range(start, len(data) // 2 if Server.cut else len(data), _CHUNK):
                self.wfile.write(data[at:at + _CHUNK])
                time.sleep(Server.pause_s)
        self.close_connection = True

    def _answer(self, path: Path, start: int, size: int) -> None:
        """416: the client has all of it."""
        self.send_response(416 if start >= size else 206 if start else 200)
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.send_header("Content-Length", str(max(0, size - start)))
        if start:
            self.send_header("Content-Range", f"bytes {f'{start}-{size - 1}' if start < size else '*'}/{size}")
        self.end_headers()


@contextlib.contextmanager
def serving(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server of this directory; no proxy of this host comes between."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Server.pause_s, Server.cut, Server.ranges, Server.asked = 0.0, False, True, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *words: Server(*words, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
