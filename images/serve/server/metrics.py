"""What is counted, in Prometheus text, on a port of its own that only this machine reaches."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)

requests = Counter("kennel_requests", "Answers to /invocations.", ["status"])
stages = Histogram("kennel_stage_seconds", "Where requests spend time.", ["stage"], buckets=SECONDS)
batches = Histogram("kennel_batch_pictures", "Pictures a batch.", buckets=(1, 2, 4, 8, 16, 32, 64))
inside = Gauge("kennel_requests_inside", "Requests accepted and not answered yet.")


def serve(port: int) -> None:
    start_http_server(port, "127.0.0.1")
