"""What `kennel batch` asks for: everything it writes and keeps is under our key."""

import pytest

from kennel import batch
from kennel.outputs import Outputs

PLATFORM = Outputs(
    "platform",
    {"prefix": "dogs", "kms_key_arn": "key", "bucket_names": {"models": "dogs-models"}},
)
SERVICE = Outputs("service", {"release_name": "release-1"})


@pytest.mark.parametrize(
    ("instance_type", "key"),
    [
        ("ml.c6i.xlarge", "key"),
        ("ml.g5.xlarge", None),  # disks of its own: SageMaker takes no key
        ("ml.c6id.xlarge", None),
    ],
)
def test_answers_and_disks_are_encrypted_with_the_platforms_key(
    instance_type: str, key: str | None
) -> None:
    request = batch.request_of(
        "s3://a/b/", PLATFORM, SERVICE, out="", instances=1, instance_type=instance_type
    )
    assert request["TransformOutput"]["KmsKeyId"] == "key"
    assert request["TransformResources"].get("VolumeKmsKeyId") == key
