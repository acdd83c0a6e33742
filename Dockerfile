# The gateway's image: web process (default), switcher and management commands. It holds no engine.
FROM python:3.11-slim AS environment
ARG LOCK=requirements/server-lock.txt
WORKDIR /app
# One environment to install with, and one, without pip, that is shipped.
RUN python -m venv /build && python -m venv --without-pip /venv
COPY requirements requirements
# hf-xet, 11 MB, is huggingface-hub's faster way to fetch weights, which the engine's image does by its own.
RUN /build/bin/pip --python /venv/bin/python install --no-cache-dir --no-compile --require-hashes -r "$LOCK" \
    && /build/bin/pip --python /venv/bin/python uninstall --yes hf-xet \
    && python requirements/trim_environment.py /venv \
    && python -m compileall -q -j 0 /venv/lib

FROM environment AS build
COPY . .
# Settings demand secrets; these exist during this one step and sign nothing.
RUN SECRET_KEY=only-used-while-the-image-is-being-built-1 \
    JWT_SECRET=only-used-while-the-image-is-being-built-2 \
    GATEWAY_DATA_DIR=/tmp/build \
    /venv/bin/python manage.py collectstatic --noinput \
    && rm -r requirements \
    && /venv/bin/python -m compileall -q -j 0 .

FROM python:3.11-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vLLM Chat Gateway" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION
RUN useradd --uid 10001 --no-create-home gateway && install -d -o gateway -m 0700 /data /data/files
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER gateway
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=gateway.settings \
    GATEWAY_DATA_DIR=/data \
    HF_HUB_CACHE=/tmp/huggingface \
    LOG_FORMAT=json \
    GATEWAY_REVISION=$REVISION \
    SWITCHER_METRICS_HOST=0.0.0.0
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-I", "-S", "gateway/health_check.py"]
CMD ["python", "manage.py", "run_web", "--host", "0.0.0.0", "--port", "8080"]
