"""Provider accounts that are added, changed and paused while the program runs."""

from orjson import loads
from tortoise import fields, migrations
from tortoise.fields.data import JSON_DUMPS
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Adds the name, the configuration and the pause by a person to `provider_account`."""

    dependencies = [("ibiki", "0023_unknown_messages")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        ops.AddField(model_name="ProviderAccount", name="name", field=fields.TextField(null=True)),
        ops.AddField(
            model_name="ProviderAccount",
            name="configuration",
            field=fields.JSONField(null=True, encoder=JSON_DUMPS, decoder=loads),
        ),
        ops.AddField(
            model_name="ProviderAccount",
            name="stopped_at",
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
    ]
