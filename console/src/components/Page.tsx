import { Box, Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import { useBrand } from "../app/brand";

interface PageProps {
  title: string;
  description?: ReactNode;
  /** Buttons beside the title. */
  actions?: ReactNode;
  children: ReactNode;
}

let isFirst = true;

export function Page({ title, description, actions, children }: PageProps) {
  const brand = useBrand();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // After a link, the focus is still in the menu, or nowhere: a screen reader would say nothing.
    const isInside = document.activeElement?.closest("main");
    if (!isFirst && !isInside) heading.current?.focus({ preventScroll: true });
    isFirst = false;
  }, []);
  useEffect(() => {
    document.title = brand ? `${title} – ${brand}` : title;
  }, [title, brand]);
  return (
    <Stack maw={1200} mx="auto">
      <Group justify="space-between" align="flex-start">
        <Box>
          <Title order={1} size="h2" ref={heading} tabIndex={-1}>
            {title}
          </Title>
          {description && (
            <Text c="dimmed" maw={640}>
              {description}
            </Text>
          )}
        </Box>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
