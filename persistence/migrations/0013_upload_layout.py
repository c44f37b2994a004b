"""The layout of an upload is one JSON column: it has grown, and no query looks into it."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

MOVE = """
UPDATE upload SET layout = jsonb_build_object(
    'encoding', encoding, 'delimiter', delimiter, 'has_header', has_header,
    'skipped_rows', has_header::int, 'columns', columns, 'rows', rows, 'sheet', NULL,
    'number_columns', to_jsonb(array_remove(ARRAY[number_column], NULL)),
    'phone_columns', to_jsonb(array_remove(ARRAY[number_column], NULL)),
    'left_out', jsonb_build_array());
ALTER TABLE upload
    ADD CONSTRAINT upload_has_rows CHECK (size > 0 AND (layout->>'rows')::int > 0);
"""
GONE = ("encoding", "delimiter", "has_header", "columns", "number_column", "rows")


class Migration(migrations.Migration):
    """Moves the columns into one. An upload lives for a day: the table is small."""

    dependencies = [("ibiki", "0012_sessions")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField("Upload", "layout", fields.JSONField(null=True)),
        ops.RunSQL(MOVE),
        ops.AlterField("Upload", "layout", fields.JSONField()),
        *(ops.RemoveField("Upload", name) for name in GONE),
        ops.AlterModelOptions(
            "Upload",
            {
                "pk_attr": "id",
                "table_description": "A client's file as CSV. `layout`: a"
                " `domain.sending.files.layout.Layout`.",
            },
        ),
        ops.AlterModelOptions(
            "UploadPart",
            {
                "pk_attr": "upload_id",
                "table_description": "A part of a file's bytes. The key is (upload_id, position):"
                " see 0006_uploads.sql.",
            },
        ),
    ]
