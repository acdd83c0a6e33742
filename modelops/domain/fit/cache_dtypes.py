"""What a `--kv-cache-dtype` stores of one token: `CacheDType`, vllm/config/cache.py (0.33)."""

from dataclasses import dataclass

from gateway.wording import fill_in
from modelops.domain.errors import FieldError

_SCALE_BYTES = 4


@dataclass(frozen=True)
class CacheFormat:
    """How keys and values lie in the cache: bits for each element, and what lies beside them."""

    bits: int
    scale_bytes: int = 0
    """Of each head and token, for keys and values together."""
    scaled_elements: int = 0
    """Elements that share one byte of scale."""
    latent_bytes: int | None = None
    """The whole of one latent-attention token, where it is packed in a way of its own."""

    def count_bytes(self, key_dim: int, value_dim: int, *, is_latent: bool) -> int:
        """Bytes of one head's token; of one latent vector, which has no values beside it."""
        if is_latent and self.latent_bytes is not None:
            return self.latent_bytes
        elements = key_dim + value_dim
        scales = elements // self.scaled_elements if self.scaled_elements else 0
        return elements * self.bits // 8 + scales + self.scale_bytes


_PER_HEAD = 2 * _SCALE_BYTES
"""One float32 scale each for keys and values: `TritonAttentionBackend.customize_spec`."""

_FORMATS = {
    "half": CacheFormat(16),
    "float16": CacheFormat(16),
    "bfloat16": CacheFormat(16),
    "float": CacheFormat(32),
    "float32": CacheFormat(32),
    "fp8": CacheFormat(8),
    "fp8_e4m3": CacheFormat(8),
    "fp8_e5m2": CacheFormat(8),
    "fp8_inc": CacheFormat(8),
    "int8": CacheFormat(8),
    # Of V3.2: 512 latent bytes, 16 of scales, 128 of rotary keys: flashmla_sparse.py, mla_attention.py:1386
    "fp8_ds_mla": CacheFormat(8, latent_bytes=656),
    "nvfp4_ds_mla": CacheFormat(8, latent_bytes=352),
    "int4_per_token_head": CacheFormat(4, scale_bytes=_PER_HEAD),
    "int8_per_token_head": CacheFormat(8, scale_bytes=_PER_HEAD),
    "fp8_per_token_head": CacheFormat(8, scale_bytes=_PER_HEAD),
    # `nvfp4_kv_cache_full_dim`, vllm/utils/torch_utils.py:542
    "nvfp4": CacheFormat(4, scaled_elements=16),
    "nvfp4_4over6": CacheFormat(4, scaled_elements=16),
}


def find_format(name: str) -> CacheFormat:
    """Raises FieldError for a type whose layout is not known."""
    found = _FORMATS.get(name.lower())
    if found is None:
        raise FieldError("kv_cache_dtype", fill_in("{name} is not understood", name=repr(name)))
    return found
