"""The engines that were started in the slots, and their logs. Only the switcher writes them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from gateway.database.texts import TextsField, choose_text
from gateway.ids import new_id
from modelops.models.slots import Slot


class EngineState(models.TextChoices):
    STARTING = "starting", "starting"
    SERVING = "serving", "serving"
    ASLEEP = "asleep", "asleep"
    ENDED = "ended", "ended"


class Engine(models.Model):
    """One start of one engine: exactly what was run, how it went, and what it turned out to need."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="engines")
    generation = models.PositiveBigIntegerField()
    replica = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="0 is the leader, which switches are about; the others do as it does.",
    )
    leaving_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A replica that gets no new requests, and ends after the running ones.",
    )
    name = models.CharField(max_length=100, unique=True, help_text="Of the container or process.")
    state = models.CharField(max_length=10, choices=EngineState, default=EngineState.STARTING)

    profile = models.CharField(max_length=64, db_index=True)
    spec = models.JSONField(help_text="The profile's settings as they were.")
    model_name = models.CharField(max_length=128, help_text="What requests to this engine must name.")
    names = models.JSONField(default=list, help_text="Names that clients may use for it.")
    runtime = models.CharField(max_length=20)
    arguments = models.JSONField(default=list)
    environment = models.JSONField(default=dict)
    image = models.CharField(max_length=255, blank=True)
    image_digest = models.CharField(max_length=255, blank=True)
    gpus = models.JSONField(default=list, help_text="UUIDs of its cards.")
    gpu_name = models.CharField(max_length=100, blank=True)
    reference = models.CharField(max_length=100, blank=True)
    base_url = models.CharField(max_length=200, blank=True)
    has_own_key = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Started with a key of its own instead of VLLM_API_KEY.",
    )

    created_at = models.DateTimeField(db_default=Now())
    ready_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When it had a request last, to half a minute."
    )
    end_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody asked to have it ended while it slept."
    )
    asked_to_stop_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    exit_code = models.IntegerField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    end_texts = TextsField(null=True, editable=False, help_text="The reason with its template.")

    max_model_len = models.PositiveIntegerField(null=True, blank=True)
    cards = models.JSONField(default=list, help_text="Its /v1/models.")
    phase_seconds = models.JSONField(default=dict)
    estimate = models.JSONField(null=True, blank=True, help_text="What the fit check expected, in bytes.")
    actual = models.JSONField(null=True, blank=True, help_text="What its log told, in bytes.")

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["slot", "generation"], name="engine_generation_is_unique"),
            models.UniqueConstraint(
                fields=["slot", "replica"],
                condition=models.Q(state="serving"),
                name="engine_one_serves_a_slot",
            ),
        ]
        indexes = [models.Index(fields=["profile", "-created_at"], name="engine_history")]

    def __str__(self) -> str:
        return self.name

    @property
    def why_ended(self) -> str:
        """The reason of its end, as a text that can be translated where its template was kept."""
        return choose_text(self.end_reason, (self.end_texts or {}).get("end_reason"))


class EngineLog(models.Model):
    """Pieces of an engine's log; `modelops.switcher` keeps the newest of each engine."""

    id = models.BigAutoField(primary_key=True)
    engine = models.ForeignKey(Engine, on_delete=models.CASCADE, related_name="log")
    at = models.DateTimeField(db_default=Now())
    text = models.TextField(help_text="Whole lines.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"log of {self.engine_id}"
