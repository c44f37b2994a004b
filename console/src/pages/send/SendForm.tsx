import { Button, Grid, Group, Stack } from "@mantine/core";
import type { FormEvent, ReactNode } from "react";
import type { Failure } from "../../api/useAction";
import { FailureNote } from "../../components/FailureNote";
import { units } from "../../text/numbers";

interface SendFormProps {
  /** What the send would do and cost. On a phone, it is above the button. */
  quotePanel: ReactNode;
  accepted: number;
  isLater: boolean;
  isReady: boolean;
  isBusy: boolean;
  failure: Failure | null;
  onSend: () => Promise<void>;
  children: ReactNode;
}

/** What to send, its quote, and the button below them. */
export function SendForm(props: SendFormProps) {
  const { accepted } = props;
  const verb = props.isLater ? "Schedule" : "Send";

  function submit(event: FormEvent) {
    event.preventDefault();
    if (props.isReady && !props.isBusy) void props.onSend();
  }

  return (
    <form onSubmit={submit}>
      <Grid>
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Stack>{props.children}</Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>{props.quotePanel}</Grid.Col>
        <Grid.Col>
          <Stack>
            <FailureNote failure={props.failure} />
            <Group>
              <Button type="submit" loading={props.isBusy} disabled={!props.isReady}>
                {accepted > 1 ? `${verb} ${units(accepted, "message")}` : verb}
              </Button>
            </Group>
          </Stack>
        </Grid.Col>
      </Grid>
    </form>
  );
}
