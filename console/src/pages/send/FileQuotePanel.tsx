import { Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useBalances } from "../../app/balances";
import { HeldNote } from "../../components/HeldNote";
import { MessageText } from "../../components/MessageText";
import { PhoneText } from "../../components/PhoneText";
import { RejectedList } from "../../components/RejectedList";
import { units } from "../../text/numbers";
import type { FileQuote } from "./documents";
import { QuoteProblem } from "./QuotePanel";

/** What a send to the rows of a file would do and cost, with the first texts as they would be sent. */
export function FileQuotePanel({ quote, positionName }: { quote: FileQuote | null; positionName: string }) {
  const unit = useBalances()?.account?.unit ?? "credit";
  return (
    <Paper withBorder p="md" component="section" aria-label="Quote">
      <Title order={2} size="h4" mb="xs">
        Quote
      </Title>
      <div aria-live="polite">
        {quote === null ? (
          <Text c="dimmed">Choose the columns and enter a text to see what the send would do.</Text>
        ) : (
          <Stack gap="xs">
            <Text size="sm">
              {units(quote.accepted, "message")} to the numbers in “{quote.columns.number}”, for{" "}
              {units(quote.cost, unit)}. Balance after: {units(quote.balance - quote.cost, unit)}.
            </Text>
            <HeldNote held={quote.held} heldUntil={quote.heldUntil} />
            <QuoteProblem quote={quote} unit={unit} />
            {quote.samples.length > 0 && (
              <Title order={3} size="h6">
                The first texts
              </Title>
            )}
            {quote.samples.map((sample) => (
              <Paper key={sample.line} withBorder p="xs">
                <Group gap="xs">
                  <Text size="xs" c="dimmed">
                    {positionName} {sample.line}, <PhoneText number={sample.number} />
                  </Text>
                </Group>
                <MessageText text={sample.text} lines={4} />
              </Paper>
            ))}
            <RejectedList
              rejected={quote.rejected}
              total={quote.rejectedCount}
              positionName={positionName}
            />
          </Stack>
        )}
      </div>
    </Paper>
  );
}
