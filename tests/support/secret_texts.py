"""Texts that look like secrets, for hypothesis, and what may stand around them."""

from __future__ import annotations

from hypothesis import strategies as st


UPPER, LOWER, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"


def runs(letters: str, size: int) -> st.SearchStrategy[str]:
    """Random texts of so many `letters`, with a capital: of real secrets less than one in 10^9 has none."""
    return st.text(letters, min_size=size, max_size=size).filter(lambda text: text.lower() != text)


SECRETS = st.one_of(
    runs(UPPER + LOWER + DIGITS + "/+", 40),
    runs(UPPER + LOWER + DIGITS + "-_", 43),
    runs(UPPER + LOWER + DIGITS + "/+=", 356),
    runs(UPPER + LOWER + DIGITS + "/+=", 100),
    runs(UPPER + LOWER + DIGITS + "%", 300),
    st.text(UPPER + LOWER + DIGITS + "-_=", min_size=20, max_size=900).map("ops_{}".format),
    st.text(DIGITS, min_size=6, max_size=6),
)
AROUND = ("", " ", "'", '"', ": ", "\n", "\\n", "(", ")", ", ", "=> ", "<", ">", " is wrong ", ". ")
