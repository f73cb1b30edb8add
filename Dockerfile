# The venv is made in one stage and copied: pip's leftovers stay behind.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/broadsheet
RUN python -m venv /opt/venv
COPY requirements.lock .
RUN /opt/venv/bin/pip install --require-hashes -r requirements.lock
ARG EXTRA_PACKAGES=""
RUN [ -z "$EXTRA_PACKAGES" ] || /opt/venv/bin/pip install $EXTRA_PACKAGES
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY migrations migrations
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && /opt/venv/bin/python -m compileall -q app migrations

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BROADSHEET_DATA_DIR=/data
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin broadsheet \
    && install -d -o broadsheet -g broadsheet /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/broadsheet /srv/broadsheet
WORKDIR /srv/broadsheet
USER broadsheet
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["broadsheet", "serve", "--host", "0.0.0.0", "--port", "8000"]
