"""Who may use the gateway, and with what."""

from accounts.models.audit import AuditEvent, Via
from accounts.models.keys import ApiKey
from accounts.models.sessions import Session
from accounts.models.users import Role, User, UserManager

__all__ = ["ApiKey", "AuditEvent", "Role", "Session", "User", "UserManager", "Via"]
