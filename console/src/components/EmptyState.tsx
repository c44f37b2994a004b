import { Center, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** What to do next if there is nothing to show. */
export function EmptyState({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Center py="xl">
      <Stack align="center" gap="xs" maw={480} ta="center">
        <Title order={2} size="h4">
          {title}
        </Title>
        {children && <Text c="dimmed">{children}</Text>}
      </Stack>
    </Center>
  );
}
