"""A server on this machine that fails as those far away do."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Answers each request with the next of its script, and for ever with the last one."""

    daemon_threads = True

    def __init__(self, content, *script, name="file.bin"):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.script = content, list(script)
        self.ranges = []
        self.go_on = threading.Event()
        self.seen, self._moved = 0, threading.Condition()
        self.url = f"http://127.0.0.1:{self.server_port}/{name}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *error):
        self.go_on.set()
        self.shutdown()
        self.server_close()

    def see(self, done):
        """What `dripping` is told of the bytes that have come."""
        with self._moved:
            self.seen = done
            self._moved.notify_all()

    def wait_until_seen(self, done):
        with self._moved:
            self._moved.wait_for(lambda: self.seen >= done)

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        script = self.server.script
        self.server.ranges.append(self.headers["Range"])
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, length, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)


def ranged(handler, most=None):
    """Honours a Range; sends no more than so many bytes of what it promises."""
    content = handler.server.content
    start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
    place = {"Content_Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
    handler.answer(206 if start else 200, content[start:][:most], len(content) - start, **place)


def plain(handler):
    """Ignores a Range."""
    handler.answer(200, handler.server.content, len(handler.server.content))


def cut(handler):
    """Promises all, hangs up after 4,000 bytes."""
    ranged(handler, 4000)


def stalling(handler):
    """Sends 4,000 bytes, then nothing."""
    handler.answer(200, handler.server.content[:4000], len(handler.server.content))
    handler.wfile.flush()
    handler.server.go_on.wait()


def dripping(handler):
    """Sends each byte when the one before it has been seen."""
    ranged(handler, 0)
    content = handler.server.content
    for place in range(int((handler.headers["Range"] or "bytes=0-")[6:-1]), len(content)):
        handler.wfile.write(content[place : place + 1])
        handler.server.wait_until_seen(place + 1)


def silent(handler):
    handler.server.go_on.wait()


def moved(url, body=b"", length=0):
    """Redirects to another address."""
    return lambda handler: handler.answer(302, body, length, Location=url)


def status(code):
    return lambda handler: handler.answer(code, b"sorry", 5)


def body(content, **headers):
    """Other content, its length only where a header says it."""
    return lambda handler: handler.answer(200, content, None, **headers)
