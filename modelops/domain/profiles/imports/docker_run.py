"""The options of `docker run`: which image, with which variables and cards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.engine_call import EngineCommand, LeftOut, find_server, refuse_variables

PROGRAMS = ("docker", "podman", "nerdctl")
_WITH_VALUE = """
add-host annotation attach blkio-weight cap-add cap-drop cgroup-parent cgroupns cidfile cpu-period cpu-quota
cpu-shares cpus cpuset-cpus cpuset-mems detach-keys device device-cgroup-rule device-read-bps dns dns-option
dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval health-retries
health-start-period health-timeout hostname ip ip6 ipc isolation label label-file link log-driver log-opt
mac-address memory memory-reservation memory-swap memory-swappiness mount name network network-alias net
oom-score-adj pid pids-limit platform publish pull restart runtime security-opt shm-size stop-signal
stop-timeout storage-opt sysctl tmpfs ulimit user userns uts volume volume-driver volumes-from workdir
"""
WITH_VALUE = frozenset(_WITH_VALUE.split())
"""Options that take a value, by their long names; the others are switches."""
SHORT = {
    "e": "env",
    "v": "volume",
    "p": "publish",
    "u": "user",
    "w": "workdir",
    "m": "memory",
    "h": "hostname",
    "l": "label",
    "c": "cpu-shares",
    "a": "attach",
}
OURS = fill_in("containers are made by the gateway, which sets this itself")
REASONS: Mapping[str, str] = {
    "volume": fill_in("the gateway mounts the cache of the weights, and nothing else"),
    "mount": fill_in("the gateway mounts the cache of the weights, and nothing else"),
    "publish": fill_in("the engine's port is only reached by the gateway"),
    "env-file": fill_in("names a file, which was not read: put its variables into the text"),
}

_DEVICES = re.compile(r"""["']?device=([^"']+)["']?""")


@dataclass
class _Options:
    environment: dict[str, str] = field(default_factory=dict)
    cards: tuple[str, ...] = ()
    entrypoint: str = ""
    left_out: list[LeftOut] = field(default_factory=list)

    def take(self, name: str, value: str) -> None:
        if name == "env":
            key, equals, content = value.partition("=")
            if equals:
                self.environment[key] = content
            else:
                self.left_out.append(LeftOut(key, fill_in("its value is not in the text")))
        elif name == "gpus":
            self._take_gpus(value)
        elif name == "entrypoint":
            self.entrypoint = value
        else:
            self.left_out.append(LeftOut(f"--{name} {value}".strip(), REASONS.get(name, OURS)))

    def _take_gpus(self, value: str) -> None:
        devices = _DEVICES.search(value)
        if devices:
            self.cards = tuple(name.strip() for name in devices[1].split(",") if name.strip())
        elif value != "all":
            reason = fill_in("the number of cards follows from the tensor and pipeline parallel sizes")
            self.left_out.append(LeftOut(f"--gpus {value}", reason))


def is_docker_run(words: tuple[str, ...]) -> bool:
    return (
        bool(words)
        and words[0] in PROGRAMS
        and (words[1:2] == ("run",) or words[1:3] == ("container", "run"))
    )


def read_docker_run(words: tuple[str, ...]) -> EngineCommand:
    """The call of `docker run …`. Raises FieldError where no image, or no engine, is named."""
    options = _Options()
    rest = list(words[words.index("run") + 1 :])
    while rest and rest[0].startswith("-"):
        for name, value in _read_option(rest):
            options.take(name, value)
    if not rest:
        raise FieldError("command", fill_in("`docker run` names no image"))
    image = rest.pop(0)
    refuse_variables("image", image)
    return EngineCommand(
        find_arguments(image, (*options.entrypoint.split(), *rest)),
        options.environment,
        image,
        options.cards,
        tuple(options.left_out),
    )


def _read_option(rest: list[str]) -> Iterator[tuple[str, str]]:
    """Take the first option, with its value, off the words."""
    word = rest.pop(0)
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if not equals and name in WITH_VALUE:
            value = rest.pop(0) if rest else ""
        yield name, value
        return
    letters = word[1:]
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in SHORT:
            value = letters.removeprefix("=") if letters else (rest.pop(0) if rest else "")
            yield SHORT[letter], value
            return
        if letter not in "itd":
            yield letter, ""


def find_arguments(image: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """What the engine in the image is given: the image's own entry point may be the server already.

    Raises FieldError for an image that does not look like vLLM's and is given no server either.
    """
    found = find_server(words)
    if found is not None:
        return found.arguments
    if words[:1] == ("serve",):
        return words[1:]
    if "vllm" in image or any(word.partition("=")[0] == "--model" for word in words):
        return words
    raise refuse_image(image)


def refuse_image(image: str) -> FieldError:
    """To be raised for an image that is given nothing to start either."""
    text = fill_in("runs the image {image}, which does not look like an image of vLLM", image=repr(image))
    return FieldError("command", text)
