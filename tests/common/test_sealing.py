"""What is kept encrypted: read again with any key that is given, by nobody without one."""

import base64
from pathlib import Path
from typing import Any

import pytest

from stentor_common.sealing import Sealer, SecretKeyMissing, SecretKeyUnusable, Unreadable
from stentor_common.settings import Settings


def key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


def sealer(folder: Path, **settings: Any) -> Sealer:
    return Sealer(Settings(data_dir=folder, **settings))


def test_what_was_sealed_is_read_and_differs_each_time(tmp_path: Path) -> None:
    own = sealer(tmp_path, secret_key=key(1))
    sealed = {own.seal("sesame 開け") for _ in range(3)}
    assert len(sealed) == 3
    assert {own.open(each) for each in sealed} == {"sesame 開け"}
    assert not any("sesame" in each for each in sealed)


def test_a_new_key_reads_what_the_old_one_sealed_while_both_are_given(tmp_path: Path) -> None:
    old = sealer(tmp_path, secret_key=key(1)).seal("sesame")
    both = sealer(tmp_path, secret_key=f"{key(2)}, {key(1)}")
    assert both.open(old) == "sesame"
    new = sealer(tmp_path, secret_key=key(2))
    assert new.open(both.seal("sesame")) == "sesame"
    with pytest.raises(Unreadable, match="STENTOR_SECRET_KEY"):
        new.open(old)


def test_what_somebody_has_changed_is_not_read(tmp_path: Path) -> None:
    own = sealer(tmp_path, secret_key=key(1))
    sealed = own.seal("sesame")
    for changed in (sealed[:-6] + "AAAAA=", "", "sesame"):
        with pytest.raises(Unreadable):
            own.open(changed)


def test_the_embedded_form_makes_a_key_when_it_needs_one_and_keeps_it(tmp_path: Path) -> None:
    own, path = sealer(tmp_path), tmp_path / "keys" / "secret.key"
    assert not path.exists()
    sealed = own.seal("sesame")
    assert path.stat().st_mode & 0o777 == 0o600
    assert sealer(tmp_path).open(sealed) == "sesame"


def test_processes_that_share_a_database_must_be_given_their_key(tmp_path: Path) -> None:
    with pytest.raises(SecretKeyMissing, match="STENTOR_SECRET_KEY"):
        sealer(tmp_path, queue_url="amqp://localhost/").seal("sesame")
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("wrong", ["secret", "a" * 44, ",,", f"{key(1)},x"])
def test_a_key_that_cannot_be_used_stops_the_start_and_is_not_shown(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SecretKeyUnusable, match="openssl rand") as refused:
        sealer(tmp_path, secret_key=wrong)
    assert wrong not in refused.value.message


def test_a_key_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")
    with pytest.raises(SecretKeyUnusable, match=r"secret\.key"):
        sealer(tmp_path).seal("sesame")
