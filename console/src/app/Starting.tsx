import { Center, Loader, Stack, Text } from "@mantine/core";

/** Shown until it is known who is signed in. */
export function Starting({ isUnreachable }: { isUnreachable: boolean }) {
  return (
    <Center component="main" h="100vh">
      <Stack align="center">
        <Loader aria-label="Starting" />
        {isUnreachable && (
          <Text role="status">The server cannot be reached. Trying again …</Text>
        )}
      </Stack>
    </Center>
  );
}
