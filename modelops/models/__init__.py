"""The rows of modelops: profiles, readings of the GPUs, slots, engines, switches, and running processes.

Constraints that must always hold are in the database; what else a row's values may be is decided in
`modelops.domain`. Profiles are written by `modelops.profiles` and the admin's forms, requests for switches
and for preloads by `modelops.switching`, readings by `modelops.hardware`, the presence of web processes by
`modelops.serving`, alarms by `modelops.alerting`, and everything else by `modelops.switcher`.
"""

from modelops.domain.switching.request import DEFAULT_SLOT
from modelops.models.alarms import RaisedAlarm
from modelops.models.engines import Engine, EngineLog, EngineState
from modelops.models.hardware import HardwareSample
from modelops.models.load import EngineLoad
from modelops.models.preloads import Preload, PreloadState
from modelops.models.presence import ProcessRole, ProcessStarts, SwitcherPresence, WebPresence
from modelops.models.profiles import HardwareProfile, ModelProfile
from modelops.models.schedule import ScheduleWindow, SlotSchedule
from modelops.models.slots import Gate, Slot
from modelops.models.switches import Switch, SwitchEvent

__all__ = [
    "DEFAULT_SLOT",
    "Engine",
    "EngineLoad",
    "EngineLog",
    "EngineState",
    "Gate",
    "HardwareProfile",
    "HardwareSample",
    "ModelProfile",
    "Preload",
    "PreloadState",
    "ProcessRole",
    "ProcessStarts",
    "RaisedAlarm",
    "ScheduleWindow",
    "Slot",
    "SlotSchedule",
    "Switch",
    "SwitchEvent",
    "SwitcherPresence",
    "WebPresence",
]
