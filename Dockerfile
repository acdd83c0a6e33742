# The gateway's image: web process (default) and management commands. It holds no engine.
FROM python:3.11-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements/lock.txt requirements/lock.txt
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements/lock.txt
COPY . .
# Settings demand secrets; these exist during this one step and sign nothing.
RUN SECRET_KEY=only-used-while-the-image-is-being-built-1 \
    JWT_SECRET=only-used-while-the-image-is-being-built-2 \
    /venv/bin/python manage.py collectstatic --noinput

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home gateway && install -d -o gateway -m 0700 /data /data/files
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER gateway
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=gateway.settings \
    GATEWAY_DATA_DIR=/data \
    LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8080/health/ready').raise_for_status()"]
CMD ["python", "manage.py", "run_web", "--host", "0.0.0.0", "--port", "8080"]
