"""One-time passwords of the stand-ins, against pyotp."""

import pyotp

from mayfly.demo import totp


SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def test_codes_are_what_an_authenticator_shows() -> None:
    """Codes agree with pyotp's at any time, for seeds with and without base32 padding."""
    instants = [0, 29, 30, 59, 1_111_111_109, 2_000_000_000, 20_000_000_000]
    for seed in ("JBSWY3DPEHPK3PXPJBSWY3DPEA", SEED):
        shown = [pyotp.TOTP(seed).at(at) for at in instants]
        assert shown == [totp.code_of(seed, totp.step_at(at)) for at in instants]


def test_seed_may_be_an_otpauth_uri() -> None:
    """1Password gives the seed of a scanned QR code as the URI that was in it."""
    uri = pyotp.TOTP(SEED).provisioning_uri(name="a@b", issuer_name="AWS")

    assert totp.code_of(SEED, 1) == totp.code_of(uri, 1)
