"""A time-stamp server for tests: HTTP on a free port of this machine around `openssl ts`, with the test PKI's key.

time_stamp_server.py KEYS: prints its address and serves until it is stopped.
"""

import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

CONFIG = """[tsa]
serial = {place}/serial
signer_cert = {keys}/certificates/time-stamp.pem
certs = {keys}/certificates/time-stamp.pem
signer_key = {keys}/private/time-stamp.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512, sm3
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Handler(BaseHTTPRequestHandler):
    place: Path

    def do_POST(self) -> None:
        question, answer = self.place / "question", self.place / "answer"
        question.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        subprocess.run(["openssl", "ts", "-reply", "-config", self.place / "config", "-section", "tsa",
                        "-queryfile", question, "-out", answer], check=True, stderr=subprocess.DEVNULL)
        body = answer.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


with tempfile.TemporaryDirectory() as scratch:
    Handler.place = Path(scratch)
    (Handler.place / "config").write_text(CONFIG.format(place=scratch, keys=Path(sys.argv[1]).resolve()), "utf-8")
    (Handler.place / "serial").write_text("01\n")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
