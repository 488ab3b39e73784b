"""A federation endpoint on this machine, in the place of AWS's: sign-in tokens for sessions of the embedded STS.

As AWS does, it answers 400 to a session that is no role's, and to `SessionDuration` for a role that was assumed with
a session (IAM user guide, "Enable custom identity broker access"). That a 400 comes as a page of HTML is an assumption.
"""

from __future__ import annotations

import asyncio
import json

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import boto3

from aiohttp import web
from aiohttp.test_utils import TestServer


SIGN_IN_TOKEN = "sign-in-token-of-the-stand-in"


class Federation:
    """Answers `getSigninToken`; `asked` has the parameters of every request."""

    def __init__(self, sts_url: str) -> None:
        self._sts_url = sts_url
        self.asked: list[dict[str, str]] = []
        self.takes_duration = False
        self.answer: web.Response | None = None
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if self.answer is not None:
            return self.answer
        session = json.loads(request.query["Session"])
        arn = await asyncio.to_thread(self._arn, session)
        if ":assumed-role/" not in arn or ("SessionDuration" in request.query and not self.takes_duration):
            return web.Response(status=400, text="<html>Invalid request</html>", content_type="text/html")
        return web.json_response({"SigninToken": SIGN_IN_TOKEN})

    def _arn(self, session: dict[str, str]) -> str:
        client = boto3.client(
            "sts",
            region_name="us-east-1",
            endpoint_url=self._sts_url,
            aws_access_key_id=session["sessionId"],
            aws_secret_access_key=session["sessionKey"],
            aws_session_token=session["sessionToken"],
        )
        return str(client.get_caller_identity()["Arn"])


@asynccontextmanager
async def federation(sts_url: str) -> AsyncIterator[Federation]:
    """The endpoint, for as long as the block lasts; `url` is for AWS_ENDPOINT_URL_SIGNIN."""
    endpoint = Federation(sts_url)
    app = web.Application()
    app.router.add_get("/federation", endpoint.handle)
    async with TestServer(app) as server:
        endpoint.url = str(server.make_url("")).rstrip("/")
        yield endpoint
