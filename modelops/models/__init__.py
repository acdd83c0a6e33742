"""The rows of modelops: profiles, what the GPUs were seen doing, slots and their switches."""

from modelops.domain.switching.request import DEFAULT_SLOT
from modelops.models.engines import Engine, EngineLog, EngineState
from modelops.models.hardware import HardwareSample
from modelops.models.presence import SwitcherPresence, WebPresence
from modelops.models.profiles import HardwareProfile, ModelProfile
from modelops.models.slots import Gate, Slot
from modelops.models.switches import Switch, SwitchEvent

__all__ = [
    "DEFAULT_SLOT",
    "Engine",
    "EngineLog",
    "EngineState",
    "Gate",
    "HardwareProfile",
    "HardwareSample",
    "ModelProfile",
    "Slot",
    "Switch",
    "SwitchEvent",
    "SwitcherPresence",
    "WebPresence",
]
