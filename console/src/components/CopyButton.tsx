import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { Check, Copy } from "lucide-react";

export function CopyButton({ value, label = "Copy" }: { value: string; label?: string }) {
  const clipboard = useClipboard({ timeout: 2_000 });
  return (
    <Button
      variant="default"
      size="xs"
      flex="none"
      leftSection={clipboard.copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
      onClick={() => clipboard.copy(value)}
    >
      {clipboard.copied ? "Copied" : label}
    </Button>
  );
}
