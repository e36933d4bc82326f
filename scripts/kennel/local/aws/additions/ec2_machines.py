"""EC2 instances that begin with a boot script run it, and end with it."""

import base64
import gzip
import itertools
import shutil
from functools import partial
from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.instances import Instance, InstanceBackend, Reservation
from moto.iam.models import iam_backends

from kennel.local.aws.bucket import Access
from kennel.local.aws.house import House
from kennel.local.aws.joblog import Stream
from kennel.local.aws.running.machine import Machine, Node, end_all, tags
from kennel.local.processes import listen

RUNNING = 16  # EC2's code


def install(house: House) -> None:
    folder = house.folder("machines")
    machines: dict[str, Machine] = {}
    addresses = (f"127.{200 + n // 250 % 50}.{n % 250 + 1}" for n in itertools.count())
    run_as_moto_does = InstanceBackend.run_instances
    terminate_as_moto_does = InstanceBackend.terminate_instances

    end_all(folder)
    ran = list(folder.iterdir())
    for left in ran:
        shutil.rmtree(left, ignore_errors=True)

    def run_instances(self: EC2Backend, *given: Any, **named: Any) -> Reservation:
        reservation = run_as_moto_does(self, *given, **named)
        if not house.journal.repeating:
            access = access_of(house, profile_of(self, named))
            with listen() as found:
                network, port = next(addresses), int(found.getsockname()[1])
            for place, instance in enumerate(reservation.instances):
                boot(reservation, instance, access, f"{network}.{place + 1}", port)
        return reservation

    def boot(
        reservation: Reservation, instance: Instance, access: Access | None, address: str, port: int
    ) -> None:
        script = script_of(instance)
        if not script:
            return
        metadata = {
            "ami-launch-index": str(instance.ami_launch_index),
            "instance-id": instance.id,
            "instance-type": str(instance.instance_type),
            "local-ipv4": address,
            "reservation-id": reservation.id,
        } | tags({each["key"]: each["value"] for each in instance.get_tags()})
        keys = {"AWS_ENDPOINT_URL": house.address, "AWS_REGION": house.region}
        node = Node(
            name=instance.id,
            script=script,
            metadata=metadata,
            keys=keys | (access.variables() if access else {}),
            port=port,
        )
        machines[instance.id] = Machine(
            folder / instance.id,
            node,
            partial(Stream, access) if access else None,
            lambda: terminated(house, instance.id),
        )

    def terminate_instances(self: EC2Backend, instance_ids: list[str]) -> Any:
        answer = terminate_as_moto_does(self, instance_ids)
        for each in instance_ids:
            if machine := machines.pop(each, None):
                machine.end()
        return answer

    def restart() -> None:
        """Their machines have gone with the account that was ended: they are gone too."""
        if not ran:  # moto needs half a second for the images that EC2 begins with
            return
        backend = ec2_backends[house.account][house.region]
        for reservation in backend.all_reservations():
            for instance in reservation.instances:
                if instance._state.code == RUNNING and script_of(instance):
                    terminated(house, instance.id)

    setattr(InstanceBackend, "run_instances", run_instances)  # noqa: B010
    setattr(InstanceBackend, "terminate_instances", terminate_instances)  # noqa: B010
    house.on_restart(restart)
    house.on_close(lambda: end_all(folder))


def terminated(house: House, name: str) -> None:
    backend = ec2_backends[house.account][house.region]
    if backend.get_instance(name)._state.code == RUNNING:
        backend.terminate_instances([name])


def script_of(instance: Instance) -> str:
    """Its user data, where that is a script."""
    content = base64.b64decode(str(instance.user_data or ""))
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    return content.decode() if content.startswith(b"#!") else ""


def profile_of(backend: EC2Backend, named: dict[str, Any]) -> dict[str, Any]:
    """The instance profile that a launch template names."""
    if not named.get("launch_template"):
        return {}
    found = backend._get_template_from_args(named["launch_template"]).data
    return dict(found.get("IamInstanceProfile") or {})


def access_of(house: House, profile: dict[str, Any]) -> Access | None:
    """With the credentials of the role in an instance profile."""
    for each in iam_backends[house.account]["aws"].instance_profiles.values():
        if profile and (each.arn == profile.get("Arn") or each.name == profile.get("Name")):
            return Access(house, each.roles[0].arn, each.name)
    return None
