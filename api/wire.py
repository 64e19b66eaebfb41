"""What is not HTTP at all gets a problem, too: the server below the application knows but text."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import problem_response


class Wire(HttpToolsProtocol):
    """uvicorn's protocol, refusing what it can't parse as every other error is told."""

    def send_400_response(self, msg: str) -> None:
        """Answer what can't be parsed, and hang up."""
        answer = problem_response(400, msg, headers={"Connection": "close"})
        head = [b"%s: %s" % header for header in answer.raw_headers]
        lines = [b"HTTP/1.1 400 Bad Request", *head, b"", bytes(answer.body)]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
