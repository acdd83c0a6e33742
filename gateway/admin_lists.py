"""Lists of the admin that stay quick however many rows there are, and the filters that they accept."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import EmptyPage, Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from gateway.ids import first_id_at, parse_id

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

SEARCHED_ROWS = 100_000
"""How many of the newest rows a search or a filter looks at, as no index answers most of them."""

MOST_PAGES = 1_000_000
LOOKUPS = frozenset({"", "exact", "in", "isnull", "isempty", "gte", "gt", "lte", "lt", "id__exact"})
"""What Django's filters append to a field's name. `startswith` is none of them: it guesses by letters."""


class DeclaredFilters(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable
    """Accepts the filters that `list_filter` declares, and no other field from the URL.

    Django lets any column be filtered for, so that `?digest__startswith=` would read one a letter at a time.
    """

    show_full_result_count = False
    """What a search finds is counted once, without the rows that it does not find."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        name, _separator, kind = lookup.partition("__")
        if name == self.date_hierarchy and kind in {"year", "month", "day"}:
            return True
        return kind in LOOKUPS and name in {_parameter_of(each) for each in self.get_list_filter(request)}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Named for what it lists: Django's "Select … to change" is wordy, and no Korean in Korean."""
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})


def _parameter_of(list_filter: Any) -> str:
    if isinstance(list_filter, type):
        return str(list_filter.parameter_name)  # type: ignore[attr-defined]  # of a SimpleListFilter
    return str(list_filter[0] if isinstance(list_filter, list | tuple) else list_filter)


class UncountedPage(Page):  # type: ignore[type-arg]
    """A page that knows whether another one follows."""

    def __init__(self, object_list: Any, number: int, paginator: Paginator[Any], *, has_next: bool) -> None:
        super().__init__(object_list, number, paginator)
        self._has_next = has_next

    def has_next(self) -> bool:
        return self._has_next


class UncountedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of a query set that is never counted: one row more than a page holds tells whether it goes on."""

    def page(self, number: int | str) -> UncountedPage:
        """Raises InvalidPage; a page after the last one is empty, which only the first may be."""
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        # The ids first: they alone come from an index, and what is skipped is read as well.
        found: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # of a list that is in the database
        ids = list(found.values_list("pk", flat=True)[start : start + self.per_page + 1])
        if not ids and number > 1:
            raise EmptyPage("That page has no rows.")
        rows = list(found.filter(pk__in=ids[: self.per_page])) if ids else []
        return UncountedPage(rows, number, self, has_next=len(ids) > self.per_page)

    def validate_number(self, number: float | str) -> int:
        number = int(number) if str(number).isascii() and str(number).isdigit() else 0
        if not 1 <= number <= MOST_PAGES:
            raise EmptyPage("There is no such page.")
        return number


class TypedFilter(admin.SimpleListFilter):
    """A filter with a text to type in place of choices, which would be read from every row."""

    template = "admin/typed_filter.html"
    input_type = "text"
    suggestions: Sequence[str] = ()
    """Values that are offered while one types."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: Any) -> Iterator[Any]:
        others = changelist.get_filters_params()
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "input_type": self.input_type,
            "suggestions": self.suggestions,
            "others": [
                (name, value)
                for name, values in others.items()
                for value in values
                if name != self.parameter_name
            ],
            "query": changelist.query,
            "without": changelist.get_query_string(remove=[self.parameter_name]),
        }


def typed(
    field: str, *, title: StrOrPromise | None = None, suggestions: Sequence[str] = ()
) -> type[TypedFilter]:
    """A filter for the rows whose `field` is exactly the text."""
    shown, offered = title or field.replace("_", " "), suggestions

    class ExactFilter(TypedFilter):
        title = shown
        parameter_name = field
        suggestions = offered

        def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
            super().__init__(request, params, model, model_admin)
            if not title:  # in the reader's language
                self.title = str(model._meta.get_field(field).verbose_name)

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            if value and "\0" in value:  # no row of PostgreSQL's holds it
                return queryset.none()
            return queryset.filter(**{field: value}) if value else queryset

    return ExactFilter


class UntilFilter(TypedFilter):
    """The rows up to the end of a day (UTC), by the time in their ids. Searches then start there."""

    title = gettext_lazy("day, and earlier")
    parameter_name = "until"
    input_type = "date"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.narrow(queryset, self.value() or "")

    @classmethod
    def narrow(cls, queryset: QuerySet[Any], until: str) -> QuerySet[Any]:
        """Without a day, as it is. Raises IncorrectLookupParameters."""
        if not until:
            return queryset
        try:
            return cls.before(queryset, datetime.date.fromisoformat(until) + datetime.timedelta(days=1))
        except (ValueError, OverflowError) as exc:
            raise IncorrectLookupParameters from exc

    @classmethod
    def before(cls, queryset: QuerySet[Any], day: datetime.date) -> QuerySet[Any]:
        midnight = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
        return queryset.filter(pk__lt=first_id_at(midnight))


class UncountedChangeList(ChangeList):
    """A list in one order, whose pages are not counted.

    A search or a filter looks at the newest rows up to the chosen day; `is_bounded` tells the template that
    there are older ones. An id (`search_ids`) is looked up in the whole table.
    """

    model_admin: UncountedAdmin
    is_bounded = False

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """As declared: an order of a column's header would sort the whole table."""
        return list(self.model_admin.get_ordering(request))

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        admin, filters = self.model_admin, self.get_filters_params()
        until = filters.pop(UntilFilter.parameter_name, None)
        if admin.searched_rows and (self.query or filters) and not admin.knows_id(self.query):
            self._leave_out_old_rows(admin.searched_rows, until[-1] if until else "")
        return super().get_queryset(request, exclude_parameters)

    def _leave_out_old_rows(self, kept: int, until: str) -> None:
        rows = self.model_admin.until_filter.narrow(self.root_queryset, until)
        oldest = rows.order_by("-pk").values_list("pk", flat=True)[kept - 1 : kept].first()
        if oldest is not None:
            self.root_queryset = self.root_queryset.filter(pk__gte=oldest)
            self.is_bounded = True

    def get_results(self, request: HttpRequest) -> None:
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        try:
            self.page = self.paginator.page(self.page_num)
        except EmptyPage as exc:
            raise IncorrectLookupParameters from exc
        self.result_list = self.page.object_list
        self.result_count = self.full_result_count = len(self.page.object_list)
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = True

    @property
    def previous_page(self) -> str:
        """The query string of the page before; empty on the first one."""
        return self._page(self.page_num - 1) if self.page.has_previous() else ""

    @property
    def next_page(self) -> str:
        return self._page(self.page_num + 1) if self.page.has_next() else ""

    def _page(self, number: int) -> str:
        return str(self.get_query_string({"p": number}))


class UncountedAdmin(DeclaredFilters):
    """A list that may grow without bound: in the order of its ids, which are of the order of time.

    It must not declare `date_hierarchy`, nor filters whose choices are read from the rows.
    """

    change_list_template = "admin/uncounted_change_list.html"

    searched_rows: int | None = SEARCHED_ROWS
    search_ids: Sequence[str] = ["pk"]
    """Columns of UUIDs, each with an index."""

    until_filter: type[UntilFilter] = UntilFilter

    ordering = ["-pk"]
    sortable_by = ()
    paginator = UncountedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UncountedChangeList

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [self.until_filter, *super().get_list_filter(request)]

    def knows_id(self, text: str) -> bool:
        """Whether a row, old or new, has this id."""
        return self._with_id(self.model._default_manager.all(), text).exists()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if self.knows_id(search_term):
            return self._with_id(queryset, search_term), False
        return super().get_search_results(request, queryset, search_term)

    def _with_id(self, queryset: QuerySet[Any], text: str) -> QuerySet[Any]:
        wanted, condition = parse_id(text.strip()), Q(pk__in=[])
        for column in self.search_ids if wanted else ():
            condition |= Q(**{column: wanted})
        return queryset.filter(condition)
