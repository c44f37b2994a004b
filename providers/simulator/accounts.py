"""The accounts at the simulated providers that an installation without settings uses."""

from __future__ import annotations

from typing import Final

from domain.provider import Credentials

SIMULATED_SENDER: Final = "+12025550199"
"""The number that messages come from and that phones answer to."""

SIMULATED_ACCOUNTS: Final = {
    "africastalking": Credentials("simulated", "simulated-api-key"),
    "android": Credentials("simulated-phone", "simulated-password"),
    "twilio": Credentials("AC" + "5" * 32, "simulated-twilio-token"),
}
"""They open only the simulator."""
