"""The instances of one endpoint configuration: started, chosen, replaced, drained."""

import logging
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from kennel.errors import UserError
from kennel.local.aws.serving.artifacts import Unavailable
from kennel.local.aws.serving.instance import (
    Ground,
    Instance,
    ending,
    remove,
    stop_all,
    wait_until,
)
from kennel.local.aws.serving.specs import FleetSpec, VariantSpec

LEAST_OUTSTANDING = "LEAST_OUTSTANDING_REQUESTS"
RETRY_SECONDS = 5.0  # real, from a replacement that did not come up to the next one
log = logging.getLogger("kennel.fleet")


class NotHealthy(Exception):
    """A container did not come up; the message is SageMaker's, with what we know besides."""


class NoInstance(Exception):
    """Nothing is there to answer the request."""


class AllBusy(Exception):
    """A serverless variant runs as many requests as it may."""


class Variant:
    """The instances of a production variant, and who of them answers next."""

    def __init__(self, endpoint: str, spec: VariantSpec, ground: Ground) -> None:
        self.spec = spec
        self.weight = spec.weight
        self.desired = spec.count
        self._endpoint, self._ground = endpoint, ground
        self._instances: list[Instance] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._mending = 0  # replacements on their way up
        self._mend_at = 0.0  # not before
        self._busy = 0.0  # seconds of requests since `began`
        self._began = self._since = time.monotonic()

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def current(self) -> int:
        return len(self._instances)

    def take(self) -> Instance:
        """An instance for one request; give it back with `release`."""
        with self._lock:
            if not self._instances:
                raise NoInstance(self.name)
            outstanding = sum(each.outstanding for each in self._instances)
            if self.spec.max_concurrency and outstanding >= self.spec.max_concurrency:
                raise AllBusy(self.name)
            chosen = self._choose()
            self._count(time.monotonic())
            chosen.outstanding += 1
            return chosen

    def release(self, instance: Instance) -> None:
        with self._lock:
            self._count(time.monotonic())
            instance.outstanding -= 1

    def concurrency(self) -> float:
        """Requests under way on an instance, averaged over the time since the last call."""
        with self._lock:
            now = time.monotonic()
            self._count(now)
            mean = self._busy / max(1e-6, now - self._began)
            self._busy, self._began = 0.0, now
            return mean / max(1, len(self._instances))

    def _count(self, now: float) -> None:
        """Add up the time that requests have been under way; before their number changes."""
        outstanding = sum(each.outstanding for each in self._instances)
        self._busy += outstanding * (now - self._since)
        self._since = now

    def scale(self, count: int, give_up: threading.Event) -> None:
        """Start or drain instances until there are `count`."""
        self.desired = count
        missing = count - self.current
        if missing > 0:
            self._add(missing, give_up)
        with self._lock:
            surplus, self._instances = self._instances[count:], self._instances[:count]
        stop_all(surplus)

    def stop(self) -> None:
        """For good: what is on its way up is not waited for."""
        self._stopped.set()
        self.scale(0, self._stopped)

    def settle(self) -> None:
        """Be content with the instances that there are."""
        self.desired = self.current

    def replace_dead(self, give_up: threading.Event) -> None:
        """SageMaker replaces an instance whose container has ended.

        Whoever looks after all endpoints does not wait for it, and looks again: a replacement that
        did not come up is followed by another one.
        """
        with self._lock:
            dead = [each for each in self._instances if each.running.exit_code() is not None]
            self._instances = [each for each in self._instances if each not in dead]
            missing = self.desired - self.current - self._mending
            if missing > 0 and time.monotonic() >= self._mend_at:
                self._mending += missing
                threading.Thread(target=self._mend, args=(missing, give_up), daemon=True).start()
        if dead:
            log.warning("%s/%s: %d containers ended", self._endpoint, self.name, len(dead))
            threading.Thread(target=stop_all, args=(dead,), daemon=True).start()

    def _mend(self, missing: int, give_up: threading.Event) -> None:
        try:
            self._add(missing, give_up)
        except (NotHealthy, Unavailable) as error:
            self._mend_at = time.monotonic() + RETRY_SECONDS
            if not give_up.is_set() and not self._stopped.is_set():
                log.warning("%s/%s: no replacement: %s", self._endpoint, self.name, error)
        finally:
            with self._lock:
                self._mending -= missing

    def tell(self) -> None:
        for instance in list(self._instances):
            instance.tell()

    def _write(self, stream: str, lines: list[str]) -> None:
        self._ground.write(self._endpoint, stream, lines)

    def _choose(self) -> Instance:
        if self.spec.routing == LEAST_OUTSTANDING:
            least = min(each.outstanding for each in self._instances)
            return random.choice([i for i in self._instances if i.outstanding == least])  # noqa: S311
        return random.choice(self._instances)  # noqa: S311 - routing, not secrets

    def _add(self, count: int, give_up: threading.Event) -> None:
        """Several at a time; each serves as soon as it is healthy."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            for started in [pool.submit(self._start, give_up) for _ in range(count)]:
                started.result()

    def _start(self, give_up: threading.Event) -> None:
        from kennel.local.aws.running.runner import Container  # noqa: PLC0415 - not for its users' types

        name = f"{self._endpoint}-{self.name}-{uuid.uuid4().hex[:8]}"
        root = self._ground.roots / name
        root.mkdir(parents=True)
        container = Container(
            name=name,
            image=self.spec.image,
            command="serve",
            root=root,
            environment=self.spec.environment,
            instance_type=self.spec.instance_type,
            isolated=self.spec.isolated,
        )
        try:
            self._ground.artifacts.give(self.spec.model_data, self.spec.role, root / "model")
            running = self._ground.runner.start(container)
        except (Unavailable, UserError) as error:
            remove(root)
            raise Unavailable(str(error)) from error
        instance = Instance(running, root, partial(self._write, f"{self.name}/{name}"))
        try:
            self._wait_until_healthy(instance, give_up)
        except NotHealthy:
            instance.stop()
            raise
        with self._lock:
            wanted = self.current < self.desired  # or scaled meanwhile
            if wanted:
                self._instances.append(instance)
        if not wanted:
            instance.stop()

    def _wait_until_healthy(self, instance: Instance, give_up: threading.Event) -> None:
        def over() -> bool:
            return give_up.is_set() or self._stopped.is_set()

        def settled() -> bool:
            ended = instance.running.exit_code() is not None
            return ended or over() or instance.pings()

        in_time = wait_until(settled, self.spec.startup_seconds, every=0.1)
        code = instance.running.exit_code()
        if not in_time or code is not None or over():
            raise NotHealthy(
                f"The primary container for production variant {self.name} did not pass the ping "
                f"health check. Please check CloudWatch logs for this endpoint. "
                f"{ending(instance.running.log, code)}"
            )


class Fleet:
    """All variants of one configuration."""

    def __init__(self, spec: FleetSpec, ground: Ground) -> None:
        self.spec = spec
        self.variants = {each.name: Variant(spec.endpoint, each, ground) for each in spec.variants}

    @property
    def config(self) -> str:
        return self.spec.config

    def start(self, give_up: threading.Event) -> None:
        """Return when every instance answers pings; raise when one does not in time."""
        for variant in self.variants.values():
            variant.scale(variant.desired, give_up)

    def stop(self) -> None:
        for variant in self.variants.values():
            variant.stop()

    def choose(self) -> Variant:
        """A variant by the weights; those without weight get no traffic."""
        variants = list(self.variants.values())
        weights = [each.weight for each in variants]
        if not sum(weights):
            raise NoInstance("no variant has a weight above 0")
        return random.choices(variants, weights)[0]  # noqa: S311 - routing, not secrets
