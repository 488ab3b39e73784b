"""Prints the access key ID with which pyarrow, that is the C++ SDK, signs a request to S3.

It has no call for credentials alone, and sends the request unsigned where it finds none.
"""

import re
import threading

from http.server import BaseHTTPRequestHandler, HTTPServer

from pyarrow import fs


EMPTY_BUCKET = (
    b"<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
)
signed_by: list[str] = []


class S3(BaseHTTPRequestHandler):
    """Answers every GET with an empty bucket."""

    def do_GET(self) -> None:
        """Note the key of the signature."""
        found = re.search(r"Credential=(\w+)/", self.headers.get("Authorization", ""))
        signed_by.append(found[1] if found else "unsigned")
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(EMPTY_BUCKET)))
        self.end_headers()
        self.wfile.write(EMPTY_BUCKET)

    def log_message(self, *_facts: object) -> None:
        """Say nothing."""


server = HTTPServer(("127.0.0.1", 0), S3)
threading.Thread(target=server.serve_forever, daemon=True).start()
bucket = fs.S3FileSystem(endpoint_override=f"127.0.0.1:{server.server_port}", scheme="http", region="us-east-1")
bucket.get_file_info(fs.FileSelector("b"))
print(*sorted(set(signed_by)))
