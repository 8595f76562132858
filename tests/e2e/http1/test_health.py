"""Health, readiness and metrics."""
STORE = True


def test_liveness(daemon):
    response = daemon.get("/healthz")
    assert (response.status, response.json()) == (200, {"status": "ok"})


def test_readiness_has_no_reasons_once_the_store_is_open(daemon):
    response = daemon.get("/readyz")
    assert (response.status, response.json()) == (200, {"status": "ready", "reasons": []})


def test_metrics_are_prometheus_text(daemon):
    response = daemon.get("/metrics")
    assert response.status == 200
    assert response.header("content-type").startswith("text/plain; version=0.0.4")
    for line in response.text.splitlines():
        if not line.startswith("#"):
            float(line.rsplit(" ", 1)[1])


def test_counters_move(daemon):
    before = daemon.metrics()
    daemon.publish("moves:1")
    daemon.get("/nothing-here")
    after = daemon.metrics()

    def moved(name):
        return after[name] - before[name]

    assert moved('ringcast_published_total{from="clients"}') == 1
    assert moved("ringcast_http_requests_total") == 3
    assert moved('ringcast_errors_total{code="NOT_FOUND"}') == 1
    assert moved("ringcast_connections_accepted_total") == 3
