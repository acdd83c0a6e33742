"""A multimodal model's tower, and the largest items that go through it while the engine profiles itself."""

from dataclasses import dataclass
from enum import StrEnum

MULTIMODAL_CLASSES = frozenset(
    {
        "DeepseekOCR2ForCausalLM",
        "DeepseekOCRForCausalLM",
        "DeepseekVLV2ForCausalLM",
        "Dots3NoteForCausalLM",
        "DotsOCRForCausalLM",
        "HfMoondream",
        "Llama_Nemotron_Nano_VL",
        "MiDashengLMModel",
        "MiMoV2OmniForCausalLM",
        "MiniCPMO",
        "MiniCPMV",
        "MolmoForCausalLM",
        "Moondream3ForCausalLM",
        "MoonshotKimiaForCausalLM",
        "MossAudioModel",
        "NVLM_D",
        "NemotronH_Nano_Omni_Reasoning_V3",
        "NemotronH_Nano_VL_V2",
        "NemotronH_Omni_Reasoning_V3",
        "NemotronH_Super_Omni_Reasoning_V3",
        "OpenVLAForActionPrediction",
        "Ovis",
        "Ovis2_5",
        "Ovis2_6ForCausalLM",
        "Ovis2_6_MoeForCausalLM",
        "Phi4ForCausalLMV",
        "Phi4MMForCausalLM",
        "Qwen2_5OmniModel",
        "Qwen3ASRRealtimeGeneration",
        "SkyworkR1VChatModel",
        "UltravoxModel",
        "UnlimitedOCRForCausalLM",
        "VoxtralRealtimeGeneration",
    }
)
"""Classes that see or hear and whose names do not say so by their ends.

Source: `_MULTIMODAL_MODELS`, vllm/model_executor/models/registry.py (0.33).
"""


class MediaGrowth(StrEnum):
    """What of an item follows from the context."""

    NONE = "none"
    FRAME_PAIRS = "frame_pairs"
    """A video of pairs of frames, each as large as an image, up to a number of frames."""
    FRAMES = "frames"
    """A video of single frames, as many as the context holds beside an image."""


@dataclass(frozen=True)
class MediaItem:
    """The largest item of one modality, or one unit of it where it grows with the context."""

    modality: str
    rows: int
    """Embeddings that the tower makes of it."""
    patches: int
    """Positions within the tower."""
    positions: int | None = None
    """What it counts for in the encoder's budget, where that is not its rows."""
    pixels_per_row: int = 0
    """Where the processor's `max_pixels` bounds it."""
    growth: MediaGrowth = MediaGrowth.NONE
    beside_rows: int = 0
    """Of the context, what another item takes first."""
    has_timestamps: bool = False
    """Each row of it stands among the tokens of a time."""


@dataclass(frozen=True)
class VisionTower:
    """A vision or audio tower; `parameters` is None when its layout is not understood.

    `media` is empty where it is not known what the engine profiles it with.
    """

    parameters: int | None
    hidden_size: int
    intermediate_size: int
    is_gated: bool = False
    media: tuple[MediaItem, ...] = ()
    output_levels: int = 1
    """Widths of the text model in one row of output: one more for each level of a deep stack."""
    is_replicated: bool = False
    """Built whole on every rank, and not split by tensor parallel."""
    raises_batch: bool = False
    """An item has to fit into one step as a whole."""
    family: str = ""
    """What it is called where nothing else is known of it."""
