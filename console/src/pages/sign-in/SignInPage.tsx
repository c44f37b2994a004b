import { Alert, Button, Center, Paper, PasswordInput, Stack, TextInput, Title } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { UNREACHABLE } from "../../api/connection";
import { hasEnded, SessionError, signIn } from "../../api/session";
import { BrandLogo, useBrand } from "../../app/brand";

export function SignInPage() {
  const brand = useBrand();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    document.title = brand ? `Sign in – ${brand}` : "Sign in";
  }, [brand]);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await signIn(email, password);
    } catch (error) {
      setProblem(error instanceof SessionError ? error.message : UNREACHABLE);
      setBusy(false);
    }
  }

  return (
    <Center component="main" mih="100vh" p="md">
      <Paper withBorder shadow="sm" p="xl" w="100%" maw={400}>
        <form onSubmit={submit}>
          <Stack>
            <BrandLogo height={56} />
            <Title order={1} size="h2">
              {brand || "Sign in"}
            </Title>
            {hasEnded() && !problem && (
              <Alert color="blue" role="status" variant="outline" title="Your session has ended">
                Sign in again to continue. A text that you were writing is kept in this tab.
              </Alert>
            )}
            {problem && (
              <Alert color="red" role="alert" variant="outline" title="Not signed in">
                {problem}
              </Alert>
            )}
            <TextInput
              label="Email"
              type="email"
              autoComplete="username"
              required
              withAsterisk={false}
              value={email}
              onChange={(event) => setEmail(event.currentTarget.value)}
              data-autofocus
              autoFocus
            />
            <PasswordInput
              label="Password"
              autoComplete="current-password"
              required
              withAsterisk={false}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
            />
            <Button type="submit" loading={isBusy} fullWidth>
              Sign in
            </Button>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
