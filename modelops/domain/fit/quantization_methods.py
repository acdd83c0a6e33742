"""Which releases of vLLM know a way of quantizing: `QuantizationMethods` of each release on PyPI.

Source: vllm/model_executor/layers/quantization/__init__.py of the releases from 0.7.1 to 0.33.0. A plug-in
may bring a method back.
"""

from collections.abc import Iterator, Mapping

from gateway.wording import fill_in
from modelops.domain.fit.eras import Version
from modelops.domain.fit.specs import EngineSettings, ModelArchitecture

FIRST_KNOWN: Mapping[str, Version] = {
    "fp8_per_block": (0, 20, 0),
    "fp8_per_channel": (0, 24, 0),
    "fp8_per_tensor": (0, 20, 0),
    "int8_per_channel_weight_only": (0, 20, 0),
    "modelopt_fp4": (0, 9, 0),
    "modelopt_mixed": (0, 17, 0),
    "modelopt_mxfp8": (0, 16, 0),
    "mxfp8": (0, 19, 0),
    "nvfp4_per_token": (0, 26, 0),
}

FIRST_WITHOUT: Mapping[str, Version] = {
    "aqlm": (0, 10, 1),
    "bitblas": (0, 15, 0),
    "bitsandbytes": (0, 28, 0),
    "deepspeedfp": (0, 15, 0),
    "gguf": (0, 24, 0),
    "hqq": (0, 15, 0),
    "marlin": (0, 10, 1),
    "ptpc_fp8": (0, 19, 0),
    "qqq": (0, 10, 1),
    "rtn": (0, 15, 0),
}


def find_method_problems(
    model: ModelArchitecture, settings: EngineSettings, version: Version | None
) -> Iterator[str]:
    """Say which ways of quantizing this release does not know; nothing for an unknown one."""
    if version is None:
        return
    stored = model.quantization.method if model.quantization is not None else None
    for name in sorted({name.lower() for name in (settings.quantization, stored) if name}):
        first, without = FIRST_KNOWN.get(name), FIRST_WITHOUT.get(name)
        if first is not None and version < first:
            yield fill_in(
                "vLLM {version} does not know {method} yet: {first} is the first that does",
                version=_write(version),
                method=name,
                first=_write(first),
            )
        elif without is not None and version >= without:
            yield fill_in(
                "vLLM {version} does not know {method} any more (none from {first} on, without a plug-in)",
                version=_write(version),
                method=name,
                first=_write(without),
            )


def _write(version: Version) -> str:
    return ".".join(map(str, version))
