"""A proxy on loopback between a client and the server that holds every answer at the Iceberg door against the official
document. Passes bytes on as they are; says at the end what was wrong. For clients whose answers Python does not see."""

import http.client
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import specification

FORWARD_SECONDS_MAX = 120
# Of one connection, never of an answer that is passed on.
HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection"}


class Judge:
    """A running proxy: `uri` stands for the server's `iceberg_uri`."""

    def __init__(self, iceberg_uri: str):
        self.problems: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._target = urlsplit(iceberg_uri)
        self._lock = threading.Lock()
        judge = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                judge.answer(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_port}{self._target.path}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: BaseHTTPRequestHandler) -> None:
        """Passes a request on, judges the answer, passes it back."""
        body = _body(asked)
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in HOP}
        connection = http.client.HTTPConnection(self._target.hostname, self._target.port, timeout=FORWARD_SECONDS_MAX)
        try:
            connection.request(asked.command, asked.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self._look(asked, answer, content)
        asked.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                asked.send_header(name, value)
        if "content-length" not in answer.headers and answer.status not in (204, 304):
            asked.send_header("Content-Length", str(len(content)))
        asked.end_headers()
        if asked.command != "HEAD":
            asked.wfile.write(content)

    def _look(self, asked: BaseHTTPRequestHandler, answer, content: bytes) -> None:
        url = f"{self._target.scheme}://{self._target.netloc}{asked.path}"
        headers = {name.lower(): value for name, value in answer.getheaders()}
        found = specification.judge(asked.command, url, self._target.geturl(), answer.status, headers, content)
        operation = specification.official().match(asked.command, asked.path.split("?")[0].removeprefix(self._target.path))
        with self._lock:
            self.problems.update(found)
            self.answered[f"{operation.name if operation else 'none'} {answer.status}"] += 1


def _body(asked: BaseHTTPRequestHandler) -> bytes | None:
    if asked.headers.get("Transfer-Encoding", "").lower() == "chunked":
        parts = []
        while size := int(asked.rfile.readline().split(b";")[0], 16):
            parts.append(asked.rfile.read(size))
            asked.rfile.readline()
        while asked.rfile.readline().strip():
            pass
        return b"".join(parts)
    length = asked.headers.get("Content-Length")
    return None if length is None else asked.rfile.read(int(length))
