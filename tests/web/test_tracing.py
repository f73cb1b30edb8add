"""Spans of requests: in the trace of the client, by route, and without what people wrote."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.main import create_app
from app.web import tracing


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_request_is_a_span_of_its_clients_trace(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, made = InMemorySpanExporter(), list[tracing.Traces]()
    monkeypatch.setattr(tracing, "_make_exporter", lambda: exporter)
    begin = tracing.Traces.__init__
    monkeypatch.setattr(tracing.Traces, "__init__", lambda self, app: (made.append(self), begin(self, app))[1])
    with TestClient(create_app(settings.model_copy(update={"traces": True}), with_worker=False)) as client:
        trace = f"00-{'a1' * 16}-{'b2' * 8}-01"
        client.get(
            "/v1/articles/zqxslug?fields=zqxfield", headers={"traceparent": trace, "Authorization": "Bearer zqx"}
        )
    made[0].flush()
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /v1/articles/{article}"
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == ("a1" * 16, "b2" * 8)
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": "/v1/articles/{article}",
        "http.response.status_code": 401,
        "request.id": "a1" * 16,
    }
    assert "zqx" not in span.to_json()
