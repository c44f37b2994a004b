"""The tables of uploaded files, as Tortoise models: see `persistence.models`."""

from __future__ import annotations

from tortoise import fields
from tortoise.fields.db_defaults import Now
from tortoise.models import Model


class Upload(Model):
    """A client's file of separated values, and how it is laid out."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    size = fields.BigIntField()
    encoding = fields.TextField()
    delimiter = fields.TextField()
    has_header = fields.BooleanField()
    columns = fields.JSONField[list[str]]()
    number_column = fields.IntField(null=True)
    rows = fields.IntField()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "upload"


class UploadPart(Model):
    """Some of a file's bytes. The key is (upload_id, position): see the migrations' SQL."""

    upload_id = fields.UUIDField(primary_key=True)
    position = fields.IntField()
    content = fields.BinaryField()

    class Meta:
        table = "upload_part"
