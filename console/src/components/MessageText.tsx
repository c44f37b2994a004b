import { Text } from "@mantine/core";

/** A message as it was written: never as HTML. */
export function MessageText({ text, lines }: { text: string; lines?: number }) {
  return (
    <Text dir="auto" size="sm" className="message-text" lineClamp={lines}>
      {text}
    </Text>
  );
}
