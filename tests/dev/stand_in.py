"""Plays a service of the product: healthy on its port, and answers every path with what it was told."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        told = {name: value for name, value in os.environ.items() if name.startswith("STENTOR_")}
        seen = {"name": sys.argv[1], "path": self.path, "headers": dict(self.headers), "told": told}
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["STENTOR_PORT"])), Answers).serve_forever()
