"""The settings about engines that the gateway starts itself, switching them, and who hears of trouble."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.env import one_of, parse_labels, parse_names, seconds, setting, url_with_scheme, whole_number


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """A part of `gateway.conf.GatewayConfig`."""

    autostart_profile: str = setting(
        "AUTOSTART_PROFILE",
        "",
        "Profile that a slot serves before anybody chose one; empty: the default profile; none: no model.",
    )
    switcher_lease_s: float = setting(
        "SWITCHER_LEASE",
        10.0,
        "A switcher that was not heard of for this long is replaced by another one.",
        seconds(0.5),
    )
    switcher_metrics_port: int = setting(
        "SWITCHER_METRICS_PORT",
        9101,
        "Port of the switcher's metrics; 0 switches them off.",
        whole_number(0, 65535),
    )
    switcher_metrics_host: str = setting(
        "SWITCHER_METRICS_HOST",
        "127.0.0.1",
        "Address on which the switcher's metrics listen (in the image: 0.0.0.0). METRICS_NETWORKS says who "
        "may read them.",
    )
    drain_timeout_s: int = setting(
        "SWITCH_DRAIN_TIMEOUT",
        120,
        "Time that running answers get before a switch, in seconds.",
        whole_number(0, 86400),
    )
    drain_policy: str = setting(
        "SWITCH_DRAIN_POLICY",
        "cut",
        "What happens to answers that run longer: wait, cut (an error event) or abandon the switch.",
        one_of("wait", "cut", "abandon"),
    )
    sleep_reserve_gib: int = setting(
        "SLEEP_RESERVE_GIB",
        4,
        "Host memory that sleeping engines leave free, in GiB. Where less is available, those that were not "
        "used for the longest time end.",
        whole_number(0, 65_536),
    )
    switch_days: int = setting(
        "SWITCH_DAYS",
        365,
        "How long switches, and engines with their logs, are kept after they ended; 0: for ever. The last "
        "ten of each slot and profile stay. `prune` removes the rest.",
        whole_number(0, 36_500),
    )
    switch_wait_s: float = setting(
        "SWITCH_WAIT", 30.0, "Longest wait of a plain request during a switch.", seconds(0)
    )
    switch_stream_wait_s: float = setting(
        "SWITCH_STREAM_WAIT", 900.0, "Longest wait of a stream during a switch.", seconds(0)
    )
    switch_queue_size: int = setting(
        "SWITCH_QUEUE_SIZE",
        200,
        "Requests that may wait at a time, per web process and slot.",
        whole_number(0, 100_000),
    )
    switch_on_request: str = setting(
        "SWITCH_ON_REQUEST",
        "off",
        "Whose chat request for another profile switches to it: off, admin or user (everybody).",
        one_of("off", "admin", "user"),
    )
    minimum_active_s: float = setting(
        "SWITCH_MINIMUM_ACTIVE",
        300.0,
        "A chat request switches no sooner after the last switch, however that ended.",
        seconds(0),
    )
    clear_timeout_s: float = setting(
        "SWITCH_CLEAR_TIMEOUT", 60.0, "Longest wait for the GPUs' memory to become free.", seconds(1)
    )
    stall_scale: float = setting(
        "ENGINE_STALL_SCALE",
        1.0,
        "Factor on the silence after which a start counts as hung; slow disks want more.",
        seconds(0.001),
    )
    docker_host: str = setting(
        "DOCKER_HOST",
        "",
        "The Docker engine; empty: its socket on this machine.",
        url_with_scheme("unix", "tcp", "ssh"),
    )
    trust_remote_code_repositories: tuple[str, ...] = setting(
        "TRUST_REMOTE_CODE_REPOSITORIES",
        (),
        "Repositories whose own code engines may run (a profile's trust_remote_code), comma-separated.",
        parse_names,
    )
    engine_images: tuple[str, ...] = setting(
        "ENGINE_IMAGES",
        ("vllm/vllm-openai:*", "vllm-chat-gateway:*"),
        "Images that engines may run, comma-separated, with * for any characters; whatever profiles say.",
        parse_names,
    )
    engine_network: str = setting(
        "ENGINE_NETWORK", "vllm-gateway", "Docker network of the engines; made if it does not exist."
    )
    engine_labels: tuple[tuple[str, str], ...] = setting(
        "ENGINE_LABELS",
        (),
        "Further labels of the engines' containers, KEY=VALUE, comma-separated. docker-compose.yml's let "
        "`docker compose down --remove-orphans` end them.",
        parse_labels,
    )
    unserved_addresses: tuple[str, ...] = setting(
        "UNSERVED_ADDRESSES",
        (),
        "Addresses of the web process's own machine, or names of them, at which it answers nobody, "
        "comma-separated. docker-compose.yml's is its side of the engines' network: no engine reaches it.",
        parse_names,
    )
    engine_publish_address: str = setting(
        "ENGINE_PUBLISH_ADDRESS",
        "",
        "Address to publish the engine's port on (a free one); empty: not published.",
    )
    engine_tls_folder: str = setting(
        "ENGINE_TLS_FOLDER",
        "",
        "Absolute folder of the box with tls.crt and tls.key, with which engines in containers are reached "
        "by https; empty: by http (docs/boxes.md).",
    )
    engine_ca_file: str = setting(
        "ENGINE_CA_FILE",
        "",
        "Certificates (PEM) of those who signed engines' certificates, for web processes and switchers; "
        "empty: those that the system knows.",
    )
    engine_shm_gib: int = setting(
        "ENGINE_SHM_GIB", 16, "Shared memory of an engine's container, in GiB.", whole_number(1, 1024)
    )
    engine_memory_gib: int = setting(
        "ENGINE_MEMORY_GIB",
        0,
        "Most host memory of an engine's container, in GiB; one that takes more is ended, and not its "
        "neighbours. 0: no bound. Models that sleep there count.",
        whole_number(0, 16_384),
    )
    huggingface_cache: str = setting(
        "ENGINE_HF_CACHE",
        "vllm-gateway-huggingface",
        "Docker volume, or absolute folder, with the engines' weights.",
    )
    vllm_cache: str = setting(
        "ENGINE_VLLM_CACHE",
        "vllm-gateway-vllm",
        "Docker volume, or absolute folder, with their compiled graphs.",
    )
    vllm_command: str = setting(
        "VLLM_COMMAND", "vllm", "The `vllm` program, for profiles that run as a child process."
    )
    ray_dashboard_url: str = setting(
        "RAY_DASHBOARD_URL",
        "",
        "The dashboard of the Ray cluster on which profiles with `runtime: ray` run, such as "
        "http://ray-head:8265. Empty: there is none.",
        url_with_scheme("http", "https"),
    )
    ray_serve_url: str = setting(
        "RAY_SERVE_URL",
        "",
        "Where Ray Serve answers requests; empty: port 8000 of the dashboard's host. Switcher and web "
        "processes reach it, and nobody else should: it checks no key.",
        url_with_scheme("http", "https"),
    )
    ray_dashboard_token: str = setting(
        "RAY_DASHBOARD_TOKEN",
        "",
        "Sent to the dashboard as a bearer token, for a cluster that asks for one (RAY_AUTH_MODE=token).",
    )
    hf_token: str = setting(
        "HF_TOKEN", "", "Given to what fetches weights, for gated repositories; no engine gets it."
    )
    alert_webhook_url: str = setting(
        "ALERT_WEBHOOK_URL",
        "",
        "Where the switcher sends the desk's alarms when they begin and end: an incoming webhook of Slack, "
        "Discord or Mattermost, or a program of yours. Empty: nowhere. `manage.py test_alert` tries it.",
        url_with_scheme("http", "https"),
    )
    alert_webhook_format: str = setting(
        "ALERT_WEBHOOK_FORMAT",
        "auto",
        "The form of what is sent there: slack, discord, mattermost, json (for programs) "
        "or auto, by the address.",
        one_of("auto", "slack", "discord", "mattermost", "json"),
    )
    alert_language: str = setting(
        "ALERT_LANGUAGE", "en", "The language of what is sent there: en or ko.", one_of("en", "ko")
    )
