"""The rows of modelops: profiles, what the GPUs were seen doing, slots and their switches."""

from modelops.domain.switching.request import DEFAULT_SLOT
from modelops.models.hardware import HardwareSample
from modelops.models.profiles import HardwareProfile, ModelProfile
from modelops.models.switching import (
    Engine,
    EngineLog,
    EngineState,
    Gate,
    Slot,
    Switch,
    SwitcherPresence,
    SwitchEvent,
    WebPresence,
)

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
