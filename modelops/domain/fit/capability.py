"""What a card's compute capability rules out.

Minimum capabilities are the `get_min_capability` of each class under
vllm/model_executor/layers/quantization (0.32; FP8 and Marlin asked for 8.0 before 0.14).
"""

from gateway.wording import fill_in
from modelops.domain.fit.engine_defaults import EngineTraits
from modelops.domain.fit.specs import Dtype, EngineSettings, Gpu, ModelArchitecture

Capability = tuple[int, int]

_MINIMUM: dict[str, Capability] = {
    "awq": (7, 5),
    "awq_marlin": (7, 5),
    "gptq": (6, 0),
    "gptq_marlin": (7, 5),
    "fp8": (7, 5),
    "fbgemm_fp8": (8, 0),
    "compressed-tensors": (7, 5),
    "modelopt": (8, 0),
    "nvfp4": (7, 5),
    "mxfp4": (8, 0),
    "bitsandbytes": (7, 0),
    "experts_int8": (8, 0),
}
_OLDER_MINIMUM: dict[str, Capability] = {
    "fp8": (8, 0),
    "awq_marlin": (8, 0),
    "gptq_marlin": (8, 0),
    "nvfp4": (8, 0),
}
_RELAXED_IN = (0, 14, 0)


def find_capability_problems(
    model: ModelArchitecture, settings: EngineSettings, dtype: Dtype, gpu: Gpu, traits: EngineTraits
) -> list[str]:
    """Return what the card cannot do, nothing when its capability is unknown or enough."""
    capability = gpu.compute_capability
    if capability is None:
        return []
    label = fill_in(
        "{card} has compute capability {capability}",
        card=gpu.name,
        capability=f"{capability[0]}.{capability[1]}",
    )
    problems: list[str] = []
    if capability < (7, 0):
        problems.append(fill_in("{label}; vLLM needs 7.0", label=label))
    if dtype is Dtype.BFLOAT16 and capability < (8, 0):
        problems.append(fill_in("{label}; bfloat16 needs 8.0 (use float16)", label=label))
    refuses_float16 = traits.version is None or traits.version >= (0, 9, 0)
    if dtype is Dtype.FLOAT16 and not model.allows_float16 and refuses_float16:
        problems.append(
            fill_in(
                "model type {model_type} is not numerically stable in float16",
                model_type=repr(model.model_type),
            )
        )
    problems += _check_quantization(model, dtype, capability, label, traits)
    if settings.kv_cache_dtype.startswith("fp8") and capability < (8, 0):
        problems.append(fill_in("{label}; an FP8 KV cache needs 8.0", label=label))
    return problems


def _check_quantization(
    model: ModelArchitecture, dtype: Dtype, capability: Capability, label: str, traits: EngineTraits
) -> list[str]:
    quantization = model.quantization
    if quantization is None:
        return []
    method = quantization.method
    minimum = _MINIMUM.get(method, (0, 0))
    is_older = traits.version is not None and traits.version < _RELAXED_IN
    if is_older:
        minimum = _OLDER_MINIMUM.get(method, minimum)
    if method == "mxfp4" and traits.version is not None and traits.version < (0, 10, 1):
        minimum = (9, 0)
    if capability < minimum:
        return [
            fill_in(
                "{label}; {method} needs {minimum}",
                label=label,
                method=method,
                minimum=f"{minimum[0]}.{minimum[1]}",
            )
        ]
    is_plain_awq = method == "awq" and capability < (8, 0) and is_older
    if is_plain_awq and dtype is not Dtype.FLOAT16:
        return [fill_in("{label}; AWQ runs there in float16 only", label=label)]
    return []


def find_capability_notes(model: ModelArchitecture, settings: EngineSettings, gpu: Gpu) -> list[str]:
    """Return what works, but in another way than one may expect."""
    capability = gpu.compute_capability
    if capability is None:
        return []
    notes: list[str] = []
    quantization = model.quantization
    is_fp8 = quantization is not None and quantization.method in ("fp8", "modelopt")
    if is_fp8 and capability < (8, 9):
        notes.append(fill_in("FP8 weights run weight-only (Marlin) on this card: smaller, not faster"))
    if settings.kv_cache_dtype.startswith("fp8") and capability < (8, 9):
        notes.append(fill_in("an FP8 KV cache needs the FlashInfer back-end on this card"))
    return notes
