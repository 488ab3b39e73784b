"""What the tests of the embedded STS share: an account, a clock, and clients."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
import boto3

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from yarl import URL

from mayfly.demo.sts.server import Account, EmbeddedSts, Role, User, code_at


ACCOUNT_ID = "058264411872"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/Admin"
GUARDED_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/team/Guarded"
PARTNER_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/Partner"
XMLNS = "{https://sts.amazonaws.com/doc/2011-06-15/}"

CARMAS = User(
    name="carmas",
    user_id="AIDAQ3EGWJLPEXAMPLE77",
    access_key_id="AKIAQ3EGWJLPEXAMPLE7",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    mfa_serial=f"arn:aws:iam::{ACCOUNT_ID}:mfa/carmas",
    totp_seed="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
)
OTHER = User(
    name="other",
    user_id="AIDAQ3EGWJLPEXAMPLE88",
    access_key_id="AKIAQ3EGWJLPEXAMPLE8",
    secret_access_key="8JalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    mfa_serial=f"arn:aws:iam::{ACCOUNT_ID}:mfa/other",
    totp_seed="GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
)
ACCOUNT = Account(
    account_id=ACCOUNT_ID,
    users=(CARMAS, OTHER),
    roles=(
        Role(name="Admin"),
        Role(name="Long", max_session_seconds=43200),
        Role(name="team/Guarded", requires_mfa=True),
        Role(name="Partner", external_id="a-secret-word"),
    ),
)
PERMANENT = Credentials(CARMAS.access_key_id, CARMAS.secret_access_key)

TO_ASSUME = {"RoleArn": ROLE_ARN, "RoleSessionName": "demo"}
INVALID_TOKEN = "The security token included in the request is invalid."
INVALID_CODE = (
    403,
    "AccessDenied",
    "MultiFactorAuthentication failed with invalid MFA one time pass code.",
)


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        """The time."""
        return self.now


@dataclass
class Answer:
    """An HTTP response as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: str

    def text(self, name: str) -> str:
        """The text of the element `name`."""
        found = ElementTree.fromstring(self.body).find(f".//{XMLNS}{name}")
        assert found is not None, self.body
        return found.text or ""

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status, code and message of an error."""
        return self.status, self.text("Code"), self.text("Message")

    @property
    def credentials(self) -> Credentials:
        """The temporary credentials in it."""
        return Credentials(self.text("AccessKeyId"), self.text("SecretAccessKey"), self.text("SessionToken"))


def signed(
    url: str,
    action: str,
    credentials: Credentials = PERMANENT,
    *,
    service: str = "sts",
    headers: Mapping[str, str] = {},
    **parameters: str,
) -> AWSRequest:
    body = urlencode({"Action": action, "Version": "2011-06-15", **parameters})
    content = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = AWSRequest("POST", url, headers={**content, **headers}, data=body)
    SigV4Auth(credentials, service, "eu-central-1").add_auth(request)
    return request


async def send(request: AWSRequest) -> Answer:
    async with (
        aiohttp.ClientSession() as http,
        http.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.data,
            headers=dict(request.headers.items()),
        ) as response,
    ):
        return Answer(response.status, response.headers, await response.text())


async def call(sts: EmbeddedSts, action: str, credentials: Credentials = PERMANENT, **parameters: str) -> Answer:
    return await send(signed(f"{sts.url}/", action, credentials, **parameters))


def mfa(sts: EmbeddedSts, user: User = CARMAS, *, steps: int = 0) -> dict[str, str]:
    assert user.mfa_serial is not None
    assert user.totp_seed is not None
    code = code_at(user.totp_seed, sts.now + timedelta(seconds=30 * steps))
    return {"SerialNumber": user.mfa_serial, "TokenCode": code}


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def login(sts: EmbeddedSts, **parameters: str) -> Credentials:
    answer = await call(sts, "GetSessionToken", **mfa(sts), **parameters)
    assert answer.status == 200, answer.body
    return answer.credentials


async def assume(sts: EmbeddedSts, credentials: Credentials = PERMANENT, arn: str = ROLE_ARN, **more: str) -> Answer:
    fields = {"RoleArn": arn, "RoleSessionName": "demo", **more}
    return await call(sts, "AssumeRole", credentials, **fields)


@asynccontextmanager
async def aio_client(url: str, credentials: Credentials = PERMANENT) -> AsyncIterator[Any]:
    config = AioConfig(
        retries={"total_max_attempts": 1},
        parameter_validation=False,
        ignore_configured_endpoint_urls=True,
        connect_timeout=5,
        read_timeout=5,
    )
    async with get_session().create_client(
        "sts",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=config,
    ) as client:
        yield client


def ask_boto3(url: str, operation: str, credentials: Credentials = PERMANENT, **parameters: Any) -> Any:
    client = boto3.session.Session().client(
        "sts",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    try:
        return getattr(client, operation)(**parameters)
    finally:
        client.close()


def credentials_in(response: Mapping[str, Any]) -> Credentials:
    found = response["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
