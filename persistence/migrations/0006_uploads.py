# ruff: noqa: E501, I001, RUF012
from pathlib import Path

from tortoise import migrations
from tortoise.migrations import operations as ops
from orjson import loads
from tortoise.fields.data import JSON_DUMPS
from tortoise.fields.db_defaults import Now
from uuid import uuid4
from tortoise import fields


class Migration(migrations.Migration):
    dependencies = [("ibiki", "0005_live")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Upload",
            fields=[
                (
                    "id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("client_id", fields.UUIDField()),
                ("size", fields.BigIntField()),
                ("encoding", fields.TextField(unique=False)),
                ("delimiter", fields.TextField(unique=False)),
                ("has_header", fields.BooleanField()),
                ("columns", fields.JSONField(encoder=JSON_DUMPS, decoder=loads)),
                ("number_column", fields.IntField(null=True)),
                ("rows", fields.IntField()),
                (
                    "created_at",
                    fields.DatetimeField(db_default=Now(), auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "upload",
                "app": "ibiki",
                "pk_attr": "id",
                "table_description": "A client's file of separated values, and how it is laid out.",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="UploadPart",
            fields=[
                (
                    "upload_id",
                    fields.UUIDField(primary_key=True, default=uuid4, unique=True, db_index=True),
                ),
                ("position", fields.IntField()),
                ("content", fields.BinaryField()),
            ],
            options={
                "table": "upload_part",
                "app": "ibiki",
                "pk_attr": "upload_id",
                "table_description": "Some of a file's bytes. The key is (upload_id, position): see the migrations' SQL.",
            },
            bases=["Model"],
        ),
        ops.RunSQL((Path(__file__).parent / "sql" / "0006_uploads.sql").read_text()),
    ]
