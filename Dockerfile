# Exporter and receiver in one image. The base is an argument, so that a mirror's can stand in.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
COPY prometheus prometheus
COPY alertmanager alertmanager
COPY grafana grafana
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="trainwarden" \
      org.opencontainers.image.description="The night watch for training runs" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels trainwarden && rm -rf /wheels \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin trainwarden
# compose runs it as the user whose runs it watches (see .env.example).
USER trainwarden
ENV PYTHONUNBUFFERED=1
EXPOSE 9877 9878
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9877/-/healthy', timeout=3)"]
ENTRYPOINT ["trainwarden"]
CMD ["exporter", "--web.listen-address", "0.0.0.0:9877"]
