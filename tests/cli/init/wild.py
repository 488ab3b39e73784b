"""Items as people have them, and the field that is meant for each key of the config. Data, no more.

A field is (type, label, value), with its section and its ID where they matter. KEY, SECRET, SEED and SERIAL stand for
the values of the world's user.
Sources: 1Password's shell plugin (access_key.go), awsume-1password-plugin (PR 14), opawssm, the API Credential
template, the seed's JSON, questions of users in 1Password's community.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mayfly.demo.op.vault import Vault, new_id


KEY, SECRET, SEED, SERIAL = "<key>", "<secret>", "<seed>", "<serial>"
OTHER_KEY = "AKIAOTHERKEYOTHERKEY"
OTHER_SECRET = "Other/secret/other/secret/other/secret/0"


class F(NamedTuple):
    """A field."""

    type: str
    label: str
    value: str = ""
    section: str = ""
    id: str = ""
    purpose: str = ""


class Wild(NamedTuple):
    """An item. `meant`: the label for access_key_id, secret_access_key, otp and mfa_id, or the problem with it."""

    name: str
    category: str
    fields: tuple[F, ...]
    meant: tuple[str, str, str, str]


S, C, OTP = "STRING", "CONCEALED", "OTP"
USERNAME, PASSWORD = F(S, "username", "carmas", id="username", purpose="USERNAME"), F(C, "password", "hunter2hunter2")
NO_CODE, NO_SERIAL = "! no field holds a one-time password", "! no field holds the ARN of an MFA device"

WILD = (
    Wild(
        "the seed's",
        "API_CREDENTIAL",
        (
            F(S, "access_key_id", KEY),
            F(C, "secret_access_key", SECRET),
            F(OTP, "totp", SEED),
            F(S, "mfa_id", SERIAL),
        ),
        ("access_key_id", "secret_access_key", "totp", "mfa_id"),
    ),
    Wild(
        "shell plugin's",
        "API_CREDENTIAL",
        (
            F(S, "notesPlain", purpose="NOTES", id="notesPlain"),
            F(S, "access key id", KEY),
            F(C, "secret access key", SECRET),
            F(S, "default region", "eu-central-1"),
            F(OTP, "one-time password", SEED, "add more"),
            F(S, "mfa serial", SERIAL),
        ),
        ("access key id", "secret access key", "one-time password", "mfa serial"),
    ),
    Wild(
        "an API Credential's own fields",
        "API_CREDENTIAL",
        (
            F(S, "username", KEY, id="username"),
            F(C, "credential", SECRET, id="credential"),
            F("MENU", "type", "other", id="type"),
            F(S, "filename", id="filename"),
            F("DATE", "expires", "1893456000", id="expires"),
            F(S, "hostname", "signin.aws.amazon.com", id="hostname"),
        ),
        ("username", "credential", NO_CODE, NO_SERIAL),
    ),
    Wild(
        "a Login with fields of its own",
        "LOGIN",
        (
            USERNAME,
            PASSWORD,
            F(OTP, "one-time password", SEED, "add more"),
            F(S, "aws_access_key_id", KEY, "CLI"),
            F(C, "aws_secret_access_key", SECRET, "CLI"),
            F(S, "aws_mfa_serial", SERIAL, "CLI"),
        ),
        ("aws_access_key_id", "aws_secret_access_key", "one-time password", "aws_mfa_serial"),
    ),
    Wild(
        "labels in another language, and emoji",
        "SECURE_NOTE",
        (
            F(S, "Zugriffsschlüssel 🔑", KEY),
            F(C, "geheim/ganz", SECRET),
            F(OTP, "Einmalpasswort", SEED),
            F(S, "Gerät", SERIAL),
        ),
        ("Zugriffsschlüssel 🔑", "geheim/ganz", "Einmalpasswort", "Gerät"),
    ),
    Wild(
        "opawssm's",
        "PASSWORD",
        (F(C, "AccessKeyId", KEY), F(C, "SecretAccessKey", SECRET), F(OTP, "MFA", SEED), F(S, "MFASerial", SERIAL)),
        ("AccessKeyId", "SecretAccessKey", "MFA", "MFASerial"),
    ),
    Wild(
        "an old key beside the new one",
        "API_CREDENTIAL",
        (
            F(S, "old access key id", OTHER_KEY, "2019"),
            F(C, "old secret access key", OTHER_SECRET, "2019"),
            F(S, "access key id", KEY, "2026"),
            F(C, "secret access key", SECRET, "2026"),
            F(OTP, "one-time password", SEED),
        ),
        ("access key id", "secret access key", "one-time password", NO_SERIAL),
    ),
    Wild(
        "two keys with the same labels in two sections",
        "API_CREDENTIAL",
        (
            F(S, "access key id", KEY, "prod"),
            F(C, "secret access key", SECRET, "prod"),
            F(S, "access key id", OTHER_KEY, "dev"),
            F(C, "secret access key", OTHER_SECRET, "dev"),
        ),
        ("? prod/access key id, dev/access key id", "? 2", NO_CODE, NO_SERIAL),
    ),
    Wild(
        "field IDs that are the same in two sections",
        "LOGIN",
        (
            F(S, "key", "nothing", "b", id="x"),
            F(C, "secret", "nothing", "b", id="y"),
            F(S, "key", KEY, "a", id="x"),
            F(C, "secret", SECRET, "a", id="y"),
            F(OTP, "otp", SEED),
        ),
        ("key", "secret", "otp", NO_SERIAL),
    ),
    Wild(
        "IDs of a web form",
        "LOGIN",
        (F(S, "akid", KEY, id="user[key];opid=__0"), F(C, "secret", SECRET, id="user[secret];opid=__1")),
        ("akid", "secret", NO_CODE, NO_SERIAL),
    ),
    Wild(
        "the code as text",
        "API_CREDENTIAL",
        (
            F(S, "access key id", KEY),
            F(C, "secret access key", SECRET),
            F(S, "otp", "otpauth://totp/AWS:me?secret=JBSWY3DPEHPK3PXP"),
        ),
        (
            "access key id",
            "secret access key",
            "! 'otp' holds an otpauth:// address as text: make it a field of the type one-time password",
            NO_SERIAL,
        ),
    ),
    Wild(
        "temporary keys",
        "API_CREDENTIAL",
        (F(S, "access key id", "ASIAMADEUPMADEUPMADE"), F(C, "secret access key", SECRET)),
        (
            "! 'access key id' holds a temporary key (ASIA…): only an IAM user's own access key (AKIA…) can log in",
            "secret access key",
            NO_CODE,
            NO_SERIAL,
        ),
    ),
    Wild(
        "pasted with a line end, and left empty",
        "API_CREDENTIAL",
        (F(S, "access key id", f"{KEY}\n"), F(C, "secret access key"), F(S, "mfa serial")),
        (
            "! 'access key id' has blanks or line ends around its value: remove them in 1Password",
            "! 'secret access key' is empty",
            NO_CODE,
            "! 'mfa serial' is empty",
        ),
    ),
    Wild(
        "something else under the right names",
        "API_CREDENTIAL",
        (F(S, "access key id", "me@example.com"), F(C, "secret access key", "hunter2"), F(S, "mfa", "arn:aws:s3:::b")),
        (
            "! 'access key id' is not an access key id (AKIA and 16 characters)",
            "! 'secret access key' is not a secret access key (40 characters)",
            "! 'mfa' is not a one-time password",
            "! 'mfa' is not the ARN of an MFA device",
        ),
    ),
    Wild(
        "a hardware device, and a security key",
        "API_CREDENTIAL",
        (
            F(S, "access key id", KEY),
            F(C, "secret access key", SECRET),
            F(S, "serial number", "GAHT12345678"),
            F(S, "passkey", "arn:aws:iam::058264411872:u2f/user/carmas/key-ABC"),
        ),
        ("access key id", "secret access key", NO_CODE, "serial number"),
    ),
)


def as_item(wild: Wild, vault: Vault, vault_id: str) -> dict[str, Any]:
    """The item in the state of the stand-in `op`, with the values of the world's user."""
    values = {KEY: vault.access_key_id, SECRET: vault.secret_access_key, SEED: vault.totp_seed, SERIAL: vault.mfa_id}
    sections = {name: {"id": new_id(), "label": name} for name in {field.section for field in wild.fields}}
    fields = [_field(field, values, sections) for field in wild.fields]
    return {"id": new_id(), "title": wild.name, "vault": vault_id, "category": wild.category, "fields": fields}


def _field(field: F, values: dict[str, str], sections: dict[str, Any]) -> dict[str, Any]:
    value = values.get(field.value.strip(), field.value) + ("\n" if field.value.endswith("\n") else "")
    row: dict[str, Any] = {"id": field.id or new_id(), "label": field.label, "type": field.type}
    row["seed" if field.type == OTP else "value"] = value
    row |= {"section": sections[field.section]} if field.section else {}
    return row | ({"purpose": field.purpose} if field.purpose else {})
