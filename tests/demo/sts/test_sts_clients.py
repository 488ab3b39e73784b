"""The embedded STS with real clients, its answers against botocore's service model, and its process."""

import asyncio
import json
import os
import signal
import socket
import sys

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore.parsers
import botocore.session
import pytest

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

import mayfly

from mayfly.demo.sts.server import EmbeddedSts
from support.sts import (
    ACCOUNT,
    ACCOUNT_ID,
    CARMAS,
    GUARDED_ARN,
    ROLE_ARN,
    TO_ASSUME,
    XMLNS,
    aio_client,
    ask_boto3,
    assume,
    call,
    credentials_in,
    login,
    mfa,
    send,
    signed,
    wrong,
)


async def test_aiobotocore_logs_in_and_assumes_a_role(sts: EmbeddedSts) -> None:
    """A user logs in with a code, and assumes a role with the session and without a second code."""
    async with aio_client(sts.url) as client:
        response = await client.get_session_token(DurationSeconds=28800, **mfa(sts))
        who = await client.get_caller_identity()
    session = credentials_in(response)
    async with aio_client(sts.url, session) as client:
        session_who = await client.get_caller_identity()
        role = await client.assume_role(RoleArn=GUARDED_ARN, RoleSessionName="demo")
    async with aio_client(sts.url, credentials_in(role)) as client:
        role_who = await client.get_caller_identity()

    arn = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/Guarded/demo"
    expiration = sts.now.replace(microsecond=0) + timedelta(hours=8)
    user = {
        "UserId": CARMAS.user_id,
        "Account": ACCOUNT_ID,
        "Arn": f"arn:aws:iam::{ACCOUNT_ID}:user/carmas",
    }
    assert expiration == response["Credentials"]["Expiration"]
    assert user == {name: who[name] for name in user}
    assert user == {name: session_who[name] for name in user}
    assert arn == role["AssumedRoleUser"]["Arn"] == role_who["Arn"]
    assert role["AssumedRoleUser"]["AssumedRoleId"] == role_who["UserId"]
    assert role_who["UserId"].startswith("AROA")
    assert role_who["UserId"].endswith(":demo")


async def test_boto3_logs_in_and_assumes_a_role(sts: EmbeddedSts) -> None:
    """boto3 signs and sends with other code than aiobotocore, and gets the same answers."""
    ask = asyncio.to_thread
    response = await ask(ask_boto3, sts.url, "get_session_token", **mfa(sts))
    session = credentials_in(response)
    role = await ask(ask_boto3, sts.url, "assume_role", session, RoleArn=ROLE_ARN, RoleSessionName="demo")
    who = await ask(ask_boto3, sts.url, "get_caller_identity", credentials_in(role))

    assert f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/Admin/demo" == who["Arn"]
    expiration = sts.now.replace(microsecond=0) + timedelta(hours=12)
    assert expiration == response["Credentials"]["Expiration"]


async def ask_aiobotocore(url: str, operation: str, **parameters: Any) -> Any:
    async with aio_client(url) as client:
        return await getattr(client, operation)(**parameters)


async def ask_boto3_in_a_thread(url: str, operation: str, **parameters: Any) -> Any:
    return await asyncio.to_thread(ask_boto3, url, operation, **parameters)


@pytest.mark.parametrize("ask", [ask_aiobotocore, ask_boto3_in_a_thread])
async def test_clients_read_errors(sts: EmbeddedSts, ask: Callable[..., Awaitable[Any]]) -> None:
    """Both clients find code, message, type, status and request id where AWS puts them."""
    parameters = {"SerialNumber": CARMAS.mfa_serial, "TokenCode": wrong(mfa(sts)["TokenCode"])}
    with pytest.raises(ClientError) as caught:
        await ask(sts.url, "get_session_token", **parameters)

    response = caught.value.response
    message = "MultiFactorAuthentication failed with invalid MFA one time pass code."
    error = {"Type": "Sender", "Code": "AccessDenied", "Message": message}
    assert error == response["Error"]
    assert 403 == response["ResponseMetadata"]["HTTPStatusCode"]
    header = response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert header == response["ResponseMetadata"]["RequestId"]


async def test_temporary_credentials_have_aws_form(sts: EmbeddedSts) -> None:
    """Temporary credentials have AWS's prefix and lengths, and no two are the same."""
    first, second = await login(sts), (await assume(sts)).credentials

    for credentials in (first, second):
        assert "ASIA" == credentials.access_key[:4]
        assert 20 == len(credentials.access_key)
        assert 40 == len(credentials.secret_key)
        assert 300 < len(credentials.token or "")
    assert first.access_key != second.access_key
    assert first.secret_key != second.secret_key


async def test_secrets_are_not_shown(sts: EmbeddedSts) -> None:
    """Neither the repr of the account nor that of the calls shows a secret or a code."""
    parameters = mfa(sts)
    await call(sts, "GetSessionToken", **parameters)

    shown = repr(ACCOUNT) + repr(sts.calls)
    for secret in (CARMAS.secret_access_key, CARMAS.totp_seed, parameters["TokenCode"]):
        assert str(secret) not in shown.replace(str(CARMAS.mfa_serial), "")


MODEL = botocore.session.Session().get_service_model("sts")
# The parameters of a request for each action, and the members of its answer.
ANSWERS: dict[str, tuple[dict[str, str], set[str]]] = {
    "GetSessionToken": ({}, {"Credentials"}),
    "GetCallerIdentity": ({}, {"Account", "Arn", "UserId"}),
    "AssumeRole": (
        {**TO_ASSUME, "Policy": "{}", "SourceIdentity": "carmas"},
        {"AssumedRoleUser", "Credentials", "PackedPolicySize", "SourceIdentity"},
    ),
}


def unknown_in(element: ElementTree.Element, shape: Any) -> list[str]:
    """The elements below `element` that are no members of the model's shape."""
    if shape.type_name != "structure":
        return [child.tag for child in element]
    children = [(child.tag.removeprefix(XMLNS), child) for child in element]
    unknown = [name for name, _ in children if name not in shape.members]
    known = [(child, shape.members[name]) for name, child in children if name in shape.members]
    return unknown + [name for child, member in known for name in unknown_in(child, member)]


@pytest.mark.parametrize("action", ANSWERS)
async def test_answers_have_the_service_models_shape(sts: EmbeddedSts, action: str) -> None:
    """All required members are there, all of the right type and length, and no element is unknown to the model."""
    parameters, members = ANSWERS[action]
    answer = await call(sts, action, **parameters)
    shape = MODEL.operation_model(action).output_shape
    parser = botocore.parsers.create_parser(MODEL.metadata["protocol"])
    body = answer.body.encode()
    parsed = parser.parse({"status_code": 200, "headers": answer.headers, "body": body}, shape)
    result = ElementTree.fromstring(body).find(f"{XMLNS}{action}Result")

    assert parsed.pop("ResponseMetadata")["RequestId"] == answer.headers["x-amzn-RequestId"]
    assert members == parsed.keys()
    assert "" == ParamValidator().validate(parsed, shape).generate_report()
    assert result is not None
    assert [] == unknown_in(result, shape)


def document() -> dict[str, Any]:
    names = ("name", "user_id", "access_key_id", "secret_access_key", "mfa_serial", "totp_seed")
    return {
        "account_id": ACCOUNT_ID,
        "users": [{name: getattr(CARMAS, name) for name in names}],
        "roles": [{"name": "Admin", "max_session_seconds": 7200}],
        "faults": {"max_life_seconds": 60, "script": ["throttle"]},
    }


async def test_sts_runs_as_a_process(tmp_path: Path) -> None:
    """It prints its URL, serves the account of its file with its faults, and ends on SIGINT."""
    path = tmp_path / "account.json"
    path.write_text(json.dumps(document()))
    source = Path(mayfly.__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly.demo.sts", "--account", str(path)),
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    throttled = await send(signed(f"{url}/", "GetCallerIdentity"))
    role = await send(signed(f"{url}/", "AssumeRole", DurationSeconds="7200", **TO_ASSUME))
    process.send_signal(signal.SIGINT)

    assert "Throttling" == throttled.refusal[1]
    life = datetime.fromisoformat(role.text("Expiration")) - datetime.now(UTC)
    assert timedelta() < life <= timedelta(seconds=60)
    assert 0 == await process.wait()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
