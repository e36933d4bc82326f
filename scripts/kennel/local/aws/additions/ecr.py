"""ECR for moto: a registry to push to, which GetAuthorizationToken names."""

from typing import Any

from moto.ecr.responses import ECRResponse

from kennel.local.aws.house import House
from kennel.local.aws.repositories import Repositories


def install(house: House) -> None:
    repositories = house.share(Repositories(house))
    house.on_restart(repositories.start)
    house.on_close(repositories.stop)
    given = ECRResponse.get_authorization_token

    def get_authorization_token(self: ECRResponse) -> Any:
        answer: Any = given(self)
        for each in answer.result["authorizationData"]:
            each["proxyEndpoint"] = repositories.address
        return answer

    setattr(ECRResponse, "get_authorization_token", get_authorization_token)  # noqa: B010
