"""`make generate`: writes every file that is made from the code."""

from __future__ import annotations

from tests.generate.files import generated


for path, text in generated().items():
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
