"""Notebooks for moto: what it forgets of them, and tags of their lifecycle configurations.

They are records: nothing runs, whatever their status says.
"""

from typing import Any

from moto.core.responses import ActionResult
from moto.sagemaker.models import FakeSagemakerNotebookInstance, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from kennel.local.aws.additions.sagemaker_endpoints import present, put
from kennel.local.aws.house import House

FORGOTTEN = ("InstanceMetadataServiceConfiguration", "IpAddressType", "PlatformIdentifier")
CONFIGURATION = ":notebook-instance-lifecycle-config/"


def install(_: House) -> None:
    create = SageMakerResponse.create_notebook_instance
    create_config = SageMakerResponse.create_notebook_instance_lifecycle_config
    describe = SageMakerResponse.describe_notebook_instance
    resource_of = SageMakerModelBackend._get_resource_from_arn

    def create_notebook_instance(self: SageMakerResponse) -> ActionResult:
        answer = create(self)
        made: Any = self.sagemaker_backend.notebook_instances[
            self._get_param("NotebookInstanceName")
        ]
        made.forgotten = {name: self._get_param(name) for name in FORGOTTEN}
        return answer

    def describe_notebook_instance(self: SageMakerResponse) -> ActionResult:
        found: Any = self.sagemaker_backend.get_notebook_instance(
            self._get_param("NotebookInstanceName")
        )
        return ActionResult(present(describe(self).result | found.forgotten))

    def create_notebook_instance_lifecycle_config(self: SageMakerResponse) -> ActionResult:
        answer = create_config(self)
        made: Any = self.sagemaker_backend.notebook_instance_lifecycle_configurations[
            self._get_param("NotebookInstanceLifecycleConfigName")
        ]
        made.tags = self._get_param("Tags") or []
        return answer

    def _get_resource_from_arn(self: SageMakerModelBackend, arn: str) -> Any:
        if CONFIGURATION in arn:
            return self.notebook_instance_lifecycle_configurations[arn.rpartition("/")[2]]
        return resource_of(self, arn)

    # botocore's model knows more instance types, and is asked for each request.
    setattr(FakeSagemakerNotebookInstance, "validate_instance_type", lambda *_: None)  # noqa: B010
    setattr(SageMakerModelBackend, "_get_resource_from_arn", _get_resource_from_arn)  # noqa: B010
    put(create_notebook_instance, describe_notebook_instance)
    put(create_notebook_instance_lifecycle_config)
