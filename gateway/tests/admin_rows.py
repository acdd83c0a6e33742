"""One row of every list of the admin, and another, with owners, keys and engines of its own."""

from __future__ import annotations

from datetime import time

from django.utils import timezone

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import AccountGroup, DailyUsage, ExternalIdentity, Limit, User
from accounts.tokens import issue_pair
from conversations.models import (
    Conversation,
    Feedback,
    Folder,
    Message,
    RetentionRule,
    SavedPrompt,
    SharedLink,
    StoredFile,
)
from modelops.domain.switching.states import SwitchState
from modelops.hardware.readings import HardwareReading
from modelops.models import HardwareProfile, HardwareSample, ModelProfile, ScheduleWindow
from modelops.tests.fit_rows import save_simulated
from modelops.tests.serving.slot_rows import make_engine, make_slot, make_switch


def add_row_of_each(number: int) -> None:
    """`number` is one that was not used before. There are as many rules of retention as roles."""
    owner = User.objects.create(username=f"person-{number}")
    _add_for_account(owner)
    _add_for_conversation(owner)
    if number < 2:
        RetentionRule.objects.create(role=["user", "admin"][number], days=30)
    _add_for_models(number)


def _add_for_account(owner: User) -> None:
    key = issue_api_key(user=owner, name="laptop", scopes=["chat"], origin=COMMAND).row
    issue_pair(owner)
    Limit.objects.create(subject="user", user=owner, kind="streams", value=2)
    Limit.objects.create(subject="key", api_key=key, kind="streams", value=2)
    AccountGroup.objects.create(name=f"group of {owner.username}")
    ExternalIdentity.objects.create(user=owner, issuer="https://id.example", subject=owner.username)
    DailyUsage.objects.create(user=owner, day=timezone.now().date(), key_id=key.pk, requests=1)


def _add_for_conversation(owner: User) -> None:
    folder = Folder.objects.create(owner=owner, name="Work")
    conversation = Conversation.objects.create(owner=owner, title="A title", folder=folder)
    answer = Message.objects.create(
        conversation=conversation, owner=owner, role="assistant", content="Hello", model="tiny"
    )
    Feedback.objects.create(message=answer, owner=owner, rating=1)
    SharedLink.objects.create(owner=owner, conversation=conversation, head=answer)
    SavedPrompt.objects.create(owner=owner, title="Review", content="Review this.")
    StoredFile.objects.create(owner=owner, sha256="0", kind="document", size_bytes=1)


def _add_for_models(number: int) -> None:
    profile: ModelProfile = save_simulated(f"profile-{number}")
    HardwareProfile.objects.create(
        slug=f"box-{number}", gpu_name="NVIDIA GeForce RTX 3090", gpu_count=2, gpu_memory_mib=24_576
    )
    reading = HardwareReading(timezone.now(), gpus=())
    HardwareSample.objects.create(host="box", reading=reading.to_json(), taken_at=reading.taken_at)
    slot = make_slot(f"slot-{number}")
    engine = make_engine(slot, profile.slug)
    ScheduleWindow.objects.create(
        slot=slot, name="night", weekdays=[0], begins=time(22), ends=time(6), profile=profile.slug
    )
    make_switch(slot, engine, profile.slug, SwitchState.ACTIVE, ended_at=timezone.now(), new_engine=engine)
