import { Button } from "@mantine/core";
import { Bell } from "lucide-react";
import { useState } from "react";

/** Asks for permission to show notifications. It is hidden after the user has answered. */
export function NotifyButton() {
  const [permission, setPermission] = useState(() =>
    "Notification" in window ? Notification.permission : "denied",
  );
  if (permission !== "default") return null;
  return (
    <Button
      variant="default"
      leftSection={<Bell size={16} aria-hidden />}
      onClick={() => void Notification.requestPermission().then(setPermission)}
    >
      Notify me of new messages
    </Button>
  );
}
