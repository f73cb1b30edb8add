"""Traces of requests by OpenTelemetry, for operators who want them. Only then this module is imported."""

from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def _make_exporter() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # reads OTEL_EXPORTER_OTLP_…

    exporter: SpanExporter = OTLPSpanExporter()
    return exporter


class Traces:
    """Makes a span of each request that reaches the app, with its route and id, within the trace of its client.

    Paths, queries and headers are left out: they hold what people wrote, and tokens.
    """

    def __init__(self, app: ASGIApp, exporter: SpanExporter | None = None) -> None:
        self._app = app
        provider = TracerProvider(resource=Resource.create({"service.name": "broadsheet"}))
        self._processor = BatchSpanProcessor(exporter or _make_exporter())
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("broadsheet")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        context = extract(Headers(scope=scope))
        with self._tracer.start_as_current_span(scope["method"], context, SpanKind.SERVER) as span:
            span.set_attributes({"http.request.method": scope["method"], "request.id": scope["request_id"]})

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_answer(span, scope, message["status"])
                await send(message)

            await self._app(scope, receive, send_noted)

    def flush(self) -> None:
        """Export the spans that wait."""
        self._processor.force_flush()


def _note_answer(span: Span, scope: Scope, status: int) -> None:
    route = getattr(scope.get("route"), "path", "unmatched")
    span.update_name(f"{scope['method']} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= 500:
        span.set_status(StatusCode.ERROR)
