"""Stored keys are created once, shared by all programs, and private."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ibiki.settings import generated_secrets
from ibiki.settings.settings import SettingsInvalid, load


def test_a_stored_key_is_read_again_and_private(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    made = generated_secrets.secret_key(directory)
    assert len(made) >= 32
    assert generated_secrets.secret_key(directory) == made
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "secret-key").stat().st_mode & 0o777 == 0o600


def test_each_directory_has_its_own_keys(tmp_path: Path) -> None:
    assert generated_secrets.secret_key(tmp_path / "a") != generated_secrets.secret_key(
        tmp_path / "b"
    )


def test_the_encryption_key_encrypts(tmp_path: Path) -> None:
    (key,) = generated_secrets.encryption_keys(tmp_path)
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"text")) == b"text"


def test_a_new_encryption_key_can_be_put_before_the_old_one(tmp_path: Path) -> None:
    (old,) = generated_secrets.encryption_keys(tmp_path)
    (tmp_path / "encryption-keys").write_text(f"new,{old}\n")
    assert generated_secrets.encryption_keys(tmp_path) == ("new", old)


def test_the_demo_password_can_be_read_aloud(tmp_path: Path) -> None:
    assert re.fullmatch(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", generated_secrets.demo_password(tmp_path))


def test_programs_that_start_together_use_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ibiki.settings import generated_secrets as it;"
        "sys.stdin.read(); directory = Path(sys.argv[1]);"
        "print(it.secret_key(directory), *it.encryption_keys(directory))"
    )
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "new")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for program in programs:
        assert program.stdin is not None
        program.stdin.close()
        program.stdin = None
    assert len({program.communicate(timeout=200)[0] for program in programs}) == 1


def test_a_draft_that_was_left_by_a_killed_program_is_not_a_key(tmp_path: Path) -> None:
    (tmp_path / "secret-key.new").write_text("half")
    assert generated_secrets.secret_key(tmp_path) != "half"
    assert not (tmp_path / "secret-key.new").exists()


@pytest.mark.parametrize("content", [b"", b"half of a key", b"\xff" * 64])
@pytest.mark.parametrize("name", ["secret-key", "encryption-keys"])
def test_a_damaged_file_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("ENCRYPTION_KEYS", raising=False)
    load(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsInvalid) as invalid:
        load(tmp_path)
    [problem] = invalid.value.problems
    assert problem.name == str(tmp_path / name)
    assert "Copy it from a backup" in problem.fix
    assert (tmp_path / name).read_bytes() == content


def test_if_no_key_can_be_stored_the_error_names_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    (tmp_path / "file").touch()
    with pytest.raises(
        SettingsInvalid, match=r"Set both, or choose another\s+directory"
    ) as invalid:
        load(tmp_path / "file")
    assert os.strerror(17) in str(invalid.value)
