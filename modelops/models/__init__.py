"""The rows of modelops: profiles, and what the GPUs were seen doing."""

from modelops.models.hardware import HardwareSample
from modelops.models.profiles import HardwareProfile, ModelProfile

__all__ = ["HardwareProfile", "HardwareSample", "ModelProfile"]
