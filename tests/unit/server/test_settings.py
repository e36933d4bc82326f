"""The environment: SageMaker's variables, checked; the cores that a container really has."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from server import cpu
from server.errors import StartError
from server.settings import Settings
from trainer import cpu as trainer_cpu


def test_sagemakers_variables_are_followed() -> None:
    settings = Settings.read(
        {
            "SAGEMAKER_BIND_TO_PORT": "9000",
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": "20",
            "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "30",
        }
    )
    assert (settings.port, settings.most_bytes, settings.seconds) == (9000, 20 * 2**20, 30)


def test_without_any_the_limits_are_those_of_invoke_endpoint() -> None:
    settings = Settings.read({})
    assert (settings.port, settings.most_bytes) == (8080, 6_291_456)
    assert settings.host == "127.0.0.1"
    assert settings.metrics_port is None


def test_batch_transform_is_let_in_as_it_was_told_to_come() -> None:
    job = {
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "90",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "5",
    }
    settings = Settings.read(job | {"KENNEL_MOST_REQUESTS": ""})
    assert settings.most_requests >= 90
    assert settings.most_bytes_inside >= 90 * settings.most_bytes
    assert Settings.read(job | {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "0"}).most_bytes == 100 * 2**20
    assert Settings.read(job | {"SAGEMAKER_BATCH": "false"}).most_requests < 90


def test_a_handler_of_a_users_is_asked_from_one_thread_unless_told_otherwise() -> None:
    assert Settings.read({"KENNEL_HANDLER": "inference"}).streams == 1
    assert Settings.read({"KENNEL_HANDLER": "inference", "KENNEL_STREAMS": "3"}).streams == 3


@pytest.mark.parametrize("name", ["KENNEL_ENGINE", "KENNEL_PRECISION"])
def test_an_unknown_choice_is_named_with_those_there_are(name: str) -> None:
    with pytest.raises(StartError, match=f"{name} is 'fp8': it can be auto or"):
        Settings.read({name: "fp8"})


@pytest.mark.parametrize("text", ["x", "0", "-1", "70000", "1.5", "８０"])
def test_a_value_that_cannot_be_is_named(text: str) -> None:
    with pytest.raises(StartError, match=r"SAGEMAKER_BIND_TO_PORT is .*: it can be 1 to 65535"):
        Settings.read({"SAGEMAKER_BIND_TO_PORT": text})


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, float("inf")),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_the_quota_of_the_control_group_counts(
    tmp_path: Path, files: dict[str, str], cores: float
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu.quota(tmp_path) == cores
    assert cpu.allowance(tmp_path) <= cores


@pytest.mark.parametrize(
    ("text", "int8", "bf16"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni avx512_bf16\n", True, True),
        ("flags\t\t: fpu amx_int8\n", True, False),
        ("flags\t\t: fpu amx_bf16\n", False, True),
        ("flags\t\t: fpu avx2 avx512f\n", False, False),
        ("Features\t: asimd\n", False, False),
    ],
)
def test_int8_and_bf16_need_a_processor_with_their_instructions(
    tmp_path: Path, text: str, *, int8: bool, bf16: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu.has_int8(tmp_path / "cpuinfo") is int8
    assert cpu.has_bf16(tmp_path / "cpuinfo") is bf16
    assert not cpu.has_int8(tmp_path / "missing")


HIDDEN = "cpuid level\t: 28\nflags\t\t: fpu amx_bf16 amx_tile amx_int8\n"


@pytest.mark.parametrize(
    ("text", "limited"),
    [
        (HIDDEN, True),
        (HIDDEN.replace("28", "32"), False),
        (HIDDEN.replace("amx_tile ", ""), False),
        (HIDDEN.replace("cpuid level\t: 28\n", ""), False),
        ("", False),
    ],
)
@pytest.mark.parametrize("avoid", [cpu.avoid_broken_amx, trainer_cpu.avoid_broken_amx])
def test_amx_that_the_machine_does_not_describe_is_not_used(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    avoid: Callable[[Path], None],
    text: str,
    *,
    limited: bool,
) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    (tmp_path / "cpuinfo").write_text(text)
    avoid(tmp_path / "cpuinfo")
    assert os.environ.get("ONEDNN_MAX_CPU_ISA") == ("AVX512_CORE_FP16" if limited else None)
    avoid(tmp_path / "missing")


def test_what_the_user_says_of_the_instructions_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    (tmp_path / "cpuinfo").write_text(HIDDEN)
    cpu.avoid_broken_amx(tmp_path / "cpuinfo")
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX2"
