"""SageMaker's endpoints: made, moved to another configuration, scaled, deleted.

Each change runs in a thread of its own while the endpoint says Creating, Updating, RollingBack or
Deleting. What serves is kept as a document, and started again when the process is.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from moto.logs.models import logs_backends
from moto.sagemaker.exceptions import ValidationError

from kennel.local.aws.house import House
from kennel.local.aws.serving import rollout
from kennel.local.aws.serving.alarms import Alarms
from kennel.local.aws.serving.artifacts import Artifacts, Unavailable
from kennel.local.aws.serving.fleet import Fleet, NoInstance, NotHealthy, Variant
from kennel.local.aws.serving.instance import Ground, Instance, remove
from kennel.local.aws.serving.measures import Measures, Series
from kennel.local.aws.serving.specs import FleetSpec

WATCH_SECONDS = 2.0  # real, between looks for containers that have ended
log = logging.getLogger("kennel.endpoints")


class Endpoint:
    """One endpoint: what it says of itself, the fleet that serves, the fleet that may follow."""

    def __init__(self, name: str, fleet: Fleet, deployment: dict[str, Any] | None) -> None:
        self.name = name
        self.fleet = fleet
        self.deployment = deployment
        self.status = "Creating"
        self.reason = ""
        self.created = self.modified = time.time()
        self.tags: list[dict[str, str]] = []
        self.next: Fleet | None = None
        self.share = 0.0  # of the traffic that goes to `next`
        self.give_up = threading.Event()

    def say(self, status: str, reason: str = "") -> None:
        log.info("%s: %s %s", self.name, status, reason)
        self.status, self.reason, self.modified = status, reason[:1024], time.time()

    def fleets(self) -> list[Fleet]:
        return [self.fleet, self.next] if self.next else [self.fleet]

    def take(self, wanted: str | None) -> tuple[Fleet, Variant, Instance]:
        """An instance for one request. An update may empty the fleet that was just chosen: then
        the one that follows it is there already."""
        try:
            return self._take(wanted)
        except NoInstance:
            return self._take(wanted)

    def _take(self, wanted: str | None) -> tuple[Fleet, Variant, Instance]:
        fleet, variant = self._choose(wanted)
        return fleet, variant, variant.take()

    def _choose(self, wanted: str | None) -> tuple[Fleet, Variant]:
        """Whose turn the next request is: by share of the fleets, by weight of the variants."""
        following = self.next
        late = following is not None and random.random() < self.share  # noqa: S311 - routing
        fleet = following if late and following is not None else self.fleet
        if wanted is None:
            return fleet, fleet.choose()
        if wanted not in fleet.variants:
            raise ValidationError(f"Variant {wanted} not found for endpoint {self.name}")
        return fleet, fleet.variants[wanted]

    def document(self) -> dict[str, Any]:
        spec = self.fleet.spec.document()
        for variant in spec["variants"]:
            variant["count"] = self.fleet.variants[variant["name"]].desired
            variant["weight"] = self.fleet.variants[variant["name"]].weight
        return {
            "fleet": spec,
            "deployment": self.deployment,
            "status": self.status,
            "reason": self.reason,
            "created": self.created,
            "tags": self.tags,
        }


class Endpoints:
    """All endpoints of the account."""

    def __init__(self, house: House, measures: Measures, alarms: Alarms) -> None:
        self.house, self.measures, self.alarms = house, measures, alarms
        self.on_deleted: list[Callable[[str], None]] = []
        artifacts = Artifacts(house.folder("artifacts"), house)
        folder = house.folder("instances")
        clear(folder)
        self._ground = Ground(house.runner, artifacts, folder, self._write)
        self._documents = house.documents("endpoints")
        self._all: dict[str, Endpoint] = {}
        self._lock = threading.RLock()
        house.on_restart(self._restart)
        house.on_close(self._close)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(list(self._all.values()))

    def get(self, name: str) -> Endpoint:
        try:
            return self._all[name]
        except KeyError:
            raise ValidationError(f'Could not find endpoint "{self.arn(name)}".') from None

    def arn(self, name: str) -> str:
        return self.house.arn("sagemaker", f"endpoint/{name}")

    def create(
        self, spec: FleetSpec, deployment: dict[str, Any] | None, tags: list[dict[str, str]]
    ) -> None:
        with self._lock:
            if spec.endpoint in self._all:
                raise ValidationError(
                    f'Cannot create already existing endpoint "{self.arn(spec.endpoint)}".'
                )
            endpoint = Endpoint(spec.endpoint, Fleet(spec, self._ground), deployment)
            endpoint.tags = tags
            self._all[spec.endpoint] = endpoint
        self._keep(endpoint)
        self._change(endpoint, lambda: self._bring_up(endpoint))

    def update(self, spec: FleetSpec, deployment: dict[str, Any] | None) -> None:
        endpoint = self._claimed(spec.endpoint, "Updating")
        endpoint.deployment = deployment

        def move() -> None:
            green = Fleet(spec, self._ground)
            rollout.move(endpoint, green, self.house.clock, self.alarms)

        self._change(endpoint, move)

    def scale(self, name: str, counts: Mapping[str, int], weights: Mapping[str, float]) -> None:
        """UpdateEndpointWeightsAndCapacities, and what autoscaling does."""
        endpoint = self._claimed(name, "Updating")
        for variant, weight in weights.items():
            endpoint.fleet.variants[variant].weight = weight
        for variant, count in counts.items():
            endpoint.fleet.variants[variant].desired = count

        def scale() -> None:
            reason = ""
            for variant, count in counts.items():
                try:
                    endpoint.fleet.variants[variant].scale(count, endpoint.give_up)
                except (NotHealthy, Unavailable) as error:
                    endpoint.fleet.variants[variant].settle()
                    reason = str(error)
            endpoint.say("InService", reason)

        self._change(endpoint, scale)

    def tag(self, name: str, tags: list[dict[str, str]]) -> None:
        endpoint = self.get(name)
        endpoint.tags = tags
        self._keep(endpoint)

    def delete(self, name: str) -> None:
        with self._lock:
            endpoint = self.get(name)
            if endpoint.status not in ("InService", "Failed"):
                raise ValidationError(f'Cannot update in-progress endpoint "{self.arn(name)}".')
            endpoint.give_up.set()
            endpoint.say("Deleting")

        def delete() -> None:
            for fleet in endpoint.fleets():
                fleet.stop()
            with self._lock:
                self._documents.delete(name)
                self._all.pop(name, None)
            self.measures.forget(name)
            for tell in self.on_deleted:
                tell(name)

        threading.Thread(target=delete, daemon=True).start()

    def measure(self) -> None:
        """Each spell of ten seconds: what is under way, and that there may be nothing."""
        for endpoint in self:
            for fleet in endpoint.fleets():
                for variant in fleet.variants.values():
                    series = Series(
                        "ConcurrentRequestsPerModel", endpoint.name, fleet.config, variant.name
                    )
                    self.measures.add(series, variant.concurrency())
                    self.measures.add(replace(series, metric="InvocationsPerInstance"), 0.0)

    def watch(self) -> None:
        """Replace instances whose containers have ended; send on what containers write."""
        for endpoint in self:
            for fleet in endpoint.fleets():
                for variant in fleet.variants.values():
                    variant.tell()
            if endpoint.status == "InService":
                for variant in endpoint.fleet.variants.values():
                    variant.replace_dead(endpoint.give_up)

    def _write(self, endpoint: str, stream: str, lines: list[str]) -> None:
        backend = logs_backends[self.house.account][self.house.region]
        name = f"/aws/sagemaker/Endpoints/{endpoint}"
        backend.ensure_log_group(name)
        group, now = backend.groups[name], int(time.time() * 1000)
        if stream not in group.streams:
            group.create_log_stream(stream)
        events = [{"timestamp": now, "message": line} for line in lines if line]
        group.put_log_events(stream, events)

    def _claimed(self, name: str, status: str) -> Endpoint:
        """The endpoint, if it is at rest; from now on it is not."""
        with self._lock:
            endpoint = self.get(name)
            if endpoint.status == "Failed":
                raise ValidationError(f'Cannot update failed endpoint "{self.arn(name)}".')
            if endpoint.status != "InService":
                raise ValidationError(f'Cannot update in-progress endpoint "{self.arn(name)}".')
            endpoint.say(status)
            return endpoint

    def _bring_up(self, endpoint: Endpoint) -> None:
        endpoint.fleet.start(endpoint.give_up)
        endpoint.say("InService")

    def _change(self, endpoint: Endpoint, change: Callable[[], None]) -> None:
        """Run a change beside the calls; what goes wrong becomes the failure reason."""

        def run() -> None:
            try:
                change()
            except (NotHealthy, Unavailable, NoInstance) as error:
                self._fail(endpoint, str(error))
            except Exception as error:
                log.exception("%s", endpoint.name)
                self._fail(endpoint, f"{type(error).__name__}: {error}")
            self._keep(endpoint)

        threading.Thread(target=run, name=f"change-{endpoint.name}", daemon=True).start()

    def _fail(self, endpoint: Endpoint, reason: str) -> None:
        if endpoint.give_up.is_set():  # it is being deleted
            return
        endpoint.fleet.stop()
        endpoint.say("Failed", reason)

    def _keep(self, endpoint: Endpoint) -> None:
        with self._lock:
            if endpoint.name in self._all and not endpoint.give_up.is_set():
                self._documents.save(endpoint.name, endpoint.document())

    def _restart(self) -> None:
        for name, document in self._documents.all():
            fleet = Fleet(FleetSpec.of(document["fleet"]), self._ground)
            endpoint = Endpoint(name, fleet, document["deployment"])
            endpoint.created, endpoint.tags = document["created"], document["tags"]
            self._all[name] = endpoint
            if document["status"] == "Failed":
                endpoint.say("Failed", document["reason"])
            else:
                endpoint.say("SystemUpdating")
                self._change(endpoint, lambda endpoint=endpoint: self._bring_up(endpoint))  # type: ignore[misc]

    def _close(self) -> None:
        """The account goes to sleep: nothing is deleted, everything stops."""
        endpoints = list(self)
        for endpoint in endpoints:
            endpoint.give_up.set()


def clear(folder: Path) -> None:
    """What instances of a process that has ended left."""
    for root in folder.iterdir():
        remove(root)
