from django.db import migrations

ENTRIES = (
    ("conversations_messageentry", "message_id", "conversations_message"),
    ("conversations_titleentry", "conversation_id", "conversations_conversation"),
)

REMOVE = "DELETE FROM conversations_searchterms WHERE rowid ="
SQLITE = (
    "CREATE VIRTUAL TABLE conversations_searchterms"
    " USING fts5(terms, tokenize = 'ascii', detail = none, columnsize = 0)",
    "CREATE TRIGGER conversations_messageentry_deleted AFTER DELETE ON conversations_messageentry"
    f" BEGIN {REMOVE} old.id; END",
    "CREATE TRIGGER conversations_titleentry_deleted AFTER DELETE ON conversations_titleentry"
    f" WHEN old.entry_id IS NOT NULL BEGIN {REMOVE} old.entry_id; END",
    "CREATE TRIGGER conversations_titleentry_moved AFTER UPDATE OF entry_id ON conversations_titleentry"
    f" WHEN old.entry_id IS NOT NULL BEGIN {REMOVE} old.entry_id; END",
)


def create_terms(apps, schema_editor):
    """Where the terms are kept. On PostgreSQL they are out of line, so that rows stay narrow."""
    if schema_editor.connection.vendor == "sqlite":
        for statement in SQLITE:
            schema_editor.execute(statement)
        return
    for table, column, target in ENTRIES:
        schema_editor.execute(f"ALTER TABLE {table} ADD COLUMN terms tsvector")
        schema_editor.execute(f"ALTER TABLE {table} SET (toast_tuple_target = 128)")
        # Without a list of pending insertions, which each search would have to read.
        schema_editor.execute(f"CREATE INDEX {table}_terms ON {table} USING gin (terms) WITH (fastupdate = off)")
        _let_database_cascade(schema_editor, table, column, target)


def _let_database_cascade(schema_editor, table, column, target):
    """An entry may be made while its message is deleted, so whoever deletes cannot know of it."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    (name,) = [
        name for name, each in constraints.items() if each["foreign_key"] and each["columns"] == [column]
    ]
    schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {connection.ops.quote_name(name)}")
    schema_editor.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT {connection.ops.quote_name(name)} FOREIGN KEY ({column}) "
        f"REFERENCES {target} (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"
    )


def drop_terms(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for name in ("messageentry_deleted", "titleentry_deleted", "titleentry_moved"):
            schema_editor.execute(f"DROP TRIGGER conversations_{name}")
        schema_editor.execute("DROP TABLE conversations_searchterms")
        return
    for table, _column, _target in ENTRIES:
        schema_editor.execute(f"ALTER TABLE {table} DROP COLUMN terms")


class Migration(migrations.Migration):
    """Full-text indexes of the terms, for PostgreSQL and for SQLite."""

    dependencies = [("conversations", "0016_search")]

    operations = [migrations.RunPython(create_terms, drop_terms)]
