"""How two releases are told apart."""

from kennel.models import differences
from kennel.registry import Release


def release(**facts: str) -> Release:
    return Release(1, "arn", "approved", "2026-11-21", "image@1", "s3://models/1", facts)


def test_numbers_come_with_their_difference_and_other_words_without() -> None:
    first = release(accuracy="0.901", version="12", architecture="resnet18", release="s3://1")
    second = release(accuracy="0.913", version="15", architecture="resnet50", release="s3://2")
    assert {each["name"]: each["difference"] for each in differences(first, second)} == {
        "accuracy": "+0.012",
        "version": "",
        "architecture": "",
    }
