"""The rows of modelops: profiles, and what the GPUs were seen doing."""

from modelops.models.hardware import HardwareSample

__all__ = ["HardwareSample"]
