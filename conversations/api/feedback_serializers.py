"""What the calls about feedback take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from conversations.models import MAX_COMMENT, MAX_MODEL_NAME, MAX_REASON, Feedback, Rating
from conversations.selectors import MAX_PAGE
from gateway.rest import StrictSerializer

RATINGS = {rating.name.lower(): rating for rating in Rating}


class RatingField(serializers.ChoiceField):
    """`up` or `down`, for a Rating."""

    def __init__(self, **options: Any) -> None:
        super().__init__(list(RATINGS), **options)

    def to_internal_value(self, data: Any) -> Any:
        return RATINGS[super().to_internal_value(data)]

    def to_representation(self, value: Any) -> str:
        return Rating(value).name.lower()


class FeedbackSerializer(serializers.ModelSerializer[Feedback]):
    rating = RatingField(read_only=True)

    class Meta:
        model = Feedback
        fields = ["rating", "reason", "comment", "created_at", "updated_at"]
        read_only_fields = fields


class NewFeedbackSerializer(StrictSerializer):
    rating = RatingField()
    reason = serializers.CharField(max_length=MAX_REASON, default="", allow_blank=True)
    comment = serializers.CharField(max_length=MAX_COMMENT, default="", allow_blank=True)


class GivenFeedbackSerializer(FeedbackSerializer):
    """As administrators see it: without what was asked and answered, or by whom."""

    model = serializers.CharField(source="message.model")

    class Meta(FeedbackSerializer.Meta):
        fields = ["message_id", "model", *FeedbackSerializer.Meta.fields]
        read_only_fields = fields


class FeedbackQuerySerializer(StrictSerializer):
    def get_fields(self) -> dict[str, Any]:
        first_day = serializers.DateField(required=False, help_text="First day (UTC) of its last change.")
        return {"from": first_day, **super().get_fields()}

    to = serializers.DateField(required=False, help_text="Last day (UTC).")
    model = serializers.CharField(max_length=MAX_MODEL_NAME, required=False, help_text="Exactly its name.")
    limit = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=MAX_PAGE, help_text="Of JSON.")
    after = serializers.UUIDField(required=False, help_text="`last_id` of the page before, of JSON.")
    format = serializers.ChoiceField(["json", "csv"], default="json")


class FeedbackListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = GivenFeedbackSerializer(many=True)  # type: ignore[assignment]  # OpenAI's name for it
    first_id = serializers.UUIDField(allow_null=True)
    last_id = serializers.UUIDField(allow_null=True)
    has_more = serializers.BooleanField()
