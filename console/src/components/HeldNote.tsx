import { Text } from "@mantine/core";
import { count } from "../text/numbers";
import { fullTime } from "../text/times";

/** How many messages wait for the end of quiet hours, and until when. */
export function HeldNote({ held, heldUntil }: { held: number; heldUntil: string | null }) {
  if (held === 0 || heldUntil === null) return null;
  const messages = held === 1 ? "1 message waits" : `${count(held)} messages wait`;
  return (
    <Text size="sm">
      {messages} for the end of quiet hours where the recipients are, at the latest until{" "}
      {fullTime(heldUntil)}.
    </Text>
  );
}
