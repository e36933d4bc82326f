"""Checkpoints on disk: whole or not there, only the newest ones, and no code in them."""

import errno
import json
from pathlib import Path

import pytest


def save(folder: Path, step: int, keep: int = 2) -> Path:
    import torch

    from trainer import checkpoint

    tensors = {"network.weight": torch.full((3,), float(step))}
    return checkpoint.write(folder, tensors, {"step": step, "classes": ["a", "b"]}, keep)


def usable(folder: Path) -> tuple[list[int], list[str]]:
    from trainer import checkpoint

    warnings: list[str] = []
    return [each.step for each in checkpoint.whole_ones(folder, warnings.append)], warnings


def test_the_newest_ones_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 9999999, 100000000):
        save(tmp_path, step)
    assert usable(tmp_path) == ([100000000, 9999999], [])
    assert len(list(tmp_path.iterdir())) == 4


def test_what_a_kill_left_and_what_was_passed_over_goes_with_the_next(tmp_path: Path) -> None:
    save(tmp_path, 3)
    save(tmp_path, 9).with_suffix(".safetensors").write_bytes(b"torn")
    (tmp_path / "step-0000000004.safetensors").write_bytes(b"its JSON was never written")
    (tmp_path / ".step-0000000005.json.partial").write_bytes(b"nor this")
    (tmp_path / "notes.txt").write_text("mine")
    save(tmp_path, 6, keep=1)
    assert usable(tmp_path) == ([6], [])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"step-0000000006.json", "step-0000000006.safetensors", "notes.txt"}


def test_a_damaged_newer_one_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    save(tmp_path, 3)
    save(tmp_path, 9).with_suffix(".safetensors").write_bytes(b"torn")
    save(tmp_path, 6, keep=2)
    assert usable(tmp_path) == ([6, 3], [])


@pytest.mark.parametrize("part", ["safetensors", "json"])
@pytest.mark.parametrize("kept", [0, 1, 40])
def test_a_torn_one_is_passed_over_with_a_warning(tmp_path: Path, part: str, kept: int) -> None:
    save(tmp_path, 1)
    torn = save(tmp_path, 2).with_suffix(f".{part}")
    torn.write_bytes(torn.read_bytes()[:kept])
    steps, warnings = usable(tmp_path)
    assert steps == [1]
    assert "step-0000000002.json is damaged and passed over" in warnings[0]


def test_a_single_wrong_bit_is_noticed(tmp_path: Path) -> None:
    path = save(tmp_path, 1).with_suffix(".safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    steps, warnings = usable(tmp_path)
    assert steps == []
    assert "sha256 differs" in warnings[0]


def test_a_wrong_digit_in_what_it_says_of_itself_is_noticed(tmp_path: Path) -> None:
    """It would go on at another step, at another rate."""
    from trainer import checkpoint

    path = save(tmp_path, 12)
    path.write_text(path.read_text().replace('"step": 12', '"step": 13'))
    steps, warnings = usable(tmp_path)
    assert steps == []
    assert "it does not say what was saved (sha256 differs)" in warnings[0]
    assert checkpoint.newest_facts(tmp_path) is None


def test_what_a_kill_left_makes_room_for_the_next(tmp_path: Path) -> None:
    from trainer import checkpoint

    save(tmp_path, 1)
    left = [".step-0000000002.safetensors.partial", "step-0000000002.safetensors"]
    for name in left:
        (tmp_path / name).write_bytes(b"half of it")
    checkpoint.clear_unfinished(tmp_path)
    assert not any((tmp_path / name).exists() for name in left)
    assert usable(tmp_path) == ([1], [])


def test_one_whose_tensors_are_missing_was_not_finished(tmp_path: Path) -> None:
    save(tmp_path, 1).with_suffix(".safetensors").unlink()
    assert usable(tmp_path)[0] == []


def test_a_full_disk_keeps_the_old_one_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainer import checkpoint

    monkeypatch.setattr(checkpoint, "clear_unfinished", lambda _: None)
    save(tmp_path, 1)
    # A device on which nothing can be written any more, in the place of the temporary file.
    (tmp_path / ".step-0000000002.safetensors.partial").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as error:
        save(tmp_path, 2)
    assert error.value.errno == errno.ENOSPC
    assert usable(tmp_path) == ([1], [])
    assert len(list(tmp_path.iterdir())) == 2
    save(tmp_path, 2)
    assert usable(tmp_path) == ([2, 1], [])


def test_what_is_not_tensors_is_json(tmp_path: Path) -> None:
    assert json.loads(save(tmp_path, 7).read_text())["step"] == 7
