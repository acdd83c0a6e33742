"""Who may use the gateway, with what, and how much."""

from accounts.models.announcements import UnannouncedChange
from accounts.models.audit import AuditEvent, Via
from accounts.models.groups import AccountGroup, GroupMembership
from accounts.models.identities import ExternalIdentity
from accounts.models.keys import ApiKey
from accounts.models.limits import Limit, LimitKind, LimitSubject
from accounts.models.sessions import Session
from accounts.models.usage import MAX_MODEL_LABEL, NO_KEY, DailyUsage
from accounts.models.users import Role, User, UserManager

__all__ = [
    "MAX_MODEL_LABEL",
    "NO_KEY",
    "AccountGroup",
    "ApiKey",
    "AuditEvent",
    "DailyUsage",
    "ExternalIdentity",
    "GroupMembership",
    "Limit",
    "LimitKind",
    "LimitSubject",
    "Role",
    "Session",
    "UnannouncedChange",
    "User",
    "UserManager",
    "Via",
]
