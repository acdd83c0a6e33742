"""Django's settings, derived from `gateway.conf`."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ

from gateway.collected_files import read_collected_version
from gateway.conf import BASE_DIR, get_config, own_origins, secret_values
from gateway.data_folder import make_private, touch_private
from gateway.database.bounds import BACKEND, connection_options, preparation_options
from gateway.logging import configure_logging
from gateway.version import VERSION

CONFIG = get_config()

DEBUG = CONFIG.debug
SECRET_KEY = CONFIG.secret_key
ALLOWED_HOSTS = list(CONFIG.hosts)
ROOT_URLCONF = "gateway.urls"
ASGI_APPLICATION = "gateway.asgi.application"
AUTH_USER_MODEL = "accounts.User"
# What belongs to an account in apps that `accounts` may not import: `accounts.leaving` says what they do.
ACCOUNT_DATA = ["conversations.leaving.ConversationData"]
AUDIT_SINK = "accounts.audit.keep_change"  # where `gateway.audit` puts what it is told
DESK_USAGE = (
    "accounts.usage.today.read_usage_today"  # what the desk shows of today, which modelops may not read
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = CONFIG.secure_cookies
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
TIME_ZONE = "UTC"
USE_TZ = True
APPEND_SLASH = False
BASE_PATH = CONFIG.base_path
FORCE_SCRIPT_NAME = BASE_PATH or None
LOGIN_RATE = CONFIG.login_rate
REST_RATE = CONFIG.rest_rate
ADDRESS_RATE = CONFIG.address_rate
TRUSTED_PROXY_HOPS = CONFIG.trusted_proxy_hops

INSTALLED_APPS = [
    "gateway",  # first: its runserver speaks ASGI
    "accounts.apps.AccountsAdminConfig",  # Django's admin, with a site of ours
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_prometheus",
    "rest_framework",
    "drf_spectacular",
    *(["drf_spectacular_sidecar"] if CONFIG.debug else []),  # for /docs
    "accounts",
    "conversations",
    "modelops",
    "chat",
]

# Pages and REST only: the chat plane has no Django middleware (docs/adr/0001).
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "gateway.middleware.ChunkedBodyMiddleware",
    "gateway.page_security.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "gateway.static_files.VersionedStaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.cookie_sessions.CookieSessionMiddleware",
    "accounts.languages.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "gateway.middleware.EnvelopeMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ]
        },
    }
]

SQLITE_OPTIONS: dict[str, Any] = {
    # WAL lets readers go on while one writes; IMMEDIATE takes the write lock at BEGIN, so that two
    # writers queue instead of failing half way.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    "transaction_mode": "IMMEDIATE",
    "timeout": CONFIG.database_timeout_s,
}


def _database() -> dict[str, Any]:
    url = CONFIG.database_url or f"sqlite:///{Path(CONFIG.data_dir).resolve() / 'gateway.sqlite3'}"
    database: dict[str, Any] = environ.Env.db_url_config(url)
    if database["ENGINE"].endswith("sqlite3"):
        path = Path(database["NAME"])
        if CONFIG.database_url:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            make_private(path.parent)
        touch_private(path)
        database["OPTIONS"] = SQLITE_OPTIONS
        # A file in tests too: threads do not share a connection to a database in memory.
        database["TEST"] = {"NAME": str(Path(database["NAME"]).with_name("test.sqlite3"))}
    else:
        database["ENGINE"] = BACKEND
        database["PASSWORD"] = database["PASSWORD"] or CONFIG.postgres_password
        database["OPTIONS"] = {
            **connection_options(CONFIG.database_timeout_s),
            **preparation_options(CONFIG.database_prepares),
            **database.get("OPTIONS", {}),
        }
    return database


DATABASES = {"default": _database()}

REDIS_TIMEOUT_S = 3
REDIS_CACHE: dict[str, Any] = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": CONFIG.redis_url,
    "KEY_PREFIX": "gateway",
    "OPTIONS": {"SOCKET_TIMEOUT": REDIS_TIMEOUT_S, "SOCKET_CONNECT_TIMEOUT": REDIS_TIMEOUT_S},
}
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        REDIS_CACHE if CONFIG.redis_url else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}
if CONFIG.redis_url and CONFIG.limits_without_redis == "allow":
    CACHES["limits"] = REDIS_CACHE | {"BACKEND": "accounts.limits.cache.FallbackCache"}
    RATELIMIT_USE_CACHE = "limits"
# Log-in limits in process memory are right for one process, and more are refused by a check of ours.
# W001 does not know the cache that goes on without Redis.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.W001"] + ([] if CONFIG.redis_url else ["django_ratelimit.E003"])

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    "accounts.backends.LoginBackend",
    *(["accounts.oidc.flow.OidcBackend"] if CONFIG.oidc_issuer else []),
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.rest_authentication.BearerAuthentication",
        "accounts.rest_authentication.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.limits.throttle.RestThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["gateway.rest.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # `format` is a parameter of calls, and no choice among renderers.
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "gateway.error_handlers.handle_rest_exception",
}

SIMPLE_JWT = {
    "SIGNING_KEY": CONFIG.jwt_secret,
    "ALGORITHM": CONFIG.jwt_algorithm,
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=CONFIG.jwt_expire_hours),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=CONFIG.jwt_refresh_days),
    "ISSUER": CONFIG.jwt_issuer,
    "AUDIENCE": CONFIG.jwt_audience,
    "LEEWAY": CONFIG.jwt_leeway_s,
}

PRODUCT_NAME = "vLLM Chat Gateway"
PRODUCT_VERSION = VERSION

SPECTACULAR_SETTINGS = {
    "TITLE": PRODUCT_NAME,
    "VERSION": PRODUCT_VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    # Swagger's files come with the package: /docs works on a closed network.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVERS": [{"url": CONFIG.base_path}] if CONFIG.base_path else [],
    "ENUM_NAME_OVERRIDES": {
        "AccountRole": "accounts.models.Role",
        "MessageRole": "conversations.models.MessageRole",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "gateway.openapi.add_gateway_conventions",
        "chat.openapi.add_chat_paths",
    ],
}

LOGIN_URL = f"{BASE_PATH}/sign-in/"
LOGIN_REDIRECT_URL = f"{BASE_PATH}/chat/"

STATIC_URL = f"{BASE_PATH}/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
with contextlib.suppress(OSError):  # sources that cannot be written, as docker-compose.dev.yml mounts them
    STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns about a folder that is not there
STATIC_VERSION = read_collected_version(STATIC_ROOT)
# Without collectstatic, as by `make run`, files are served from where they are, the admin's from its package.
WHITENOISE_USE_FINDERS = not STATIC_VERSION
# Who may read what is CORS_ORIGINS' to say; by itself WhiteNoise lets everybody.
WHITENOISE_ALLOW_ALL_ORIGINS = False
FILES_FOLDER = Path(CONFIG.data_dir).resolve() / "files"
MEDIA_ROOT = FILES_FOLDER  # no path serves it: files are for their owners
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": CONFIG.file_storage, "OPTIONS": json.loads(CONFIG.file_storage_options)},
    "staticfiles": {
        "BACKEND": "gateway.static_files.VersionedStaticFilesStorage",
        # Collected by whoever builds the image, and served by another user.
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}

# `gateway.asgi` bounds bodies on both planes before Django reads them.
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.max_body_bytes
if BASE_PATH:
    # Other applications on the same host have cookies too, perhaps Django's by the same names.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "gateway_sessionid", "gateway_csrftoken"
    LANGUAGE_COOKIE_NAME = "gateway_language"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = BASE_PATH or "/"
SESSION_ENGINE = "accounts.session_store"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CONFIG.secure_cookies
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "gateway.error_handlers.csrf_failure"
# TLS ends at the proxy, so this process sees plain http and would take its own pages' https origin for a
# foreign one. Origins of CORS_ORIGINS are not here: they use tokens, and have no business with cookies.
CSRF_TRUSTED_ORIGINS = own_origins(CONFIG)
# `gateway.asgi` sends the header, on both planes; this is for `check --deploy`.
SECURE_HSTS_SECONDS = CONFIG.hsts_seconds
SILENCED_SYSTEM_CHECKS += [
    "security.W008",  # redirecting to https is the proxy's business: it has both ports
    *("security.W005", "security.W021"),  # HSTS for subdomains: not this service's to decide
]

LOGGING_CONFIG = None
configure_logging(level=CONFIG.log_level, style=CONFIG.log_format, secrets=secret_values(CONFIG))
