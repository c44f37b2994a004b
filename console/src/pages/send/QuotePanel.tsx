import { Alert, Code, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useBalances } from "../../app/balances";
import { HeldNote } from "../../components/HeldNote";
import { RejectedList } from "../../components/RejectedList";
import { count, units } from "../../text/numbers";
import type { FileQuote, Quote } from "./documents";

/** A field as letters and other programs mark it: {{Name}}, {Name}, [Name], <Name>, «Name». */
const MARK = /\{\{[^{}]*\}\}|[{[<«]\s*\p{L}[\p{L}\p{N} _.-]{0,30}[}\]>»]/u;

interface QuotePanelProps {
  quote: Quote | null;
  /** False while the quote is about an earlier input. */
  isPresent: boolean;
  /** What is sent, if it is no template. */
  text?: string;
}

/** What the send would do and cost. Nothing is sent or charged for it. */
export function QuotePanel({ quote, isPresent, text }: QuotePanelProps) {
  const mark = MARK.exec(text ?? "")?.[0];
  const unit = useBalances()?.account?.unit ?? "credit";
  return (
    <Paper withBorder p="md" component="section" aria-label="Quote">
      <Title order={2} size="h4" mb="xs">
        Quote
      </Title>
      <div aria-live="polite" aria-busy={quote !== null && !isPresent}>
        {quote === null ? (
          <Text c="dimmed">Enter numbers and a text to see what the send would cost.</Text>
        ) : (
          <Stack gap="xs">
            <Line label="Will be sent to" value={count(quote.accepted)} />
            <Reasons quote={quote} />
            <Line
              label="Length"
              value={`${count(quote.segments)} ${quote.segments === 1 ? "segment" : "segments"}, ${quote.encoding === "GSM7" ? "GSM-7" : "UCS-2"}`}
            />
            {quote.costlyCharacters.length > 0 && (
              <Text size="sm">
                These characters make the text longer:{" "}
                {quote.costlyCharacters.map((character) => (
                  <Code key={character} mr={4}>
                    {visible(character)}
                  </Code>
                ))}
              </Text>
            )}
            <Line label="Price" value={units(quote.cost, unit)} />
            <Line label="Balance after" value={units(quote.balance - quote.cost, unit)} />
            <HeldNote held={quote.held} heldUntil={quote.heldUntil} />
            {mark && (
              <Alert color="orange" variant="outline" role="status">
                “{mark}” is sent as it is written. Values are only filled in for a template, and for
                the rows of a file.
              </Alert>
            )}
            <QuoteProblem quote={quote} unit={unit} />
            <RejectedList rejected={quote.rejected} total={quote.rejectedCount} />
          </Stack>
        )}
      </div>
    </Paper>
  );
}

/** Why the send would be refused, of a quote of either kind. */
export function QuoteProblem({ quote, unit }: { quote: Quote | FileQuote; unit: string }) {
  const { accepted, affordable, balance, problem } = quote;
  const tooLow = `The balance of ${units(balance, unit)} is too low for this send.`;
  const reason = affordable ? accepted > 0 && problem?.message : tooLow;
  return (
    reason && (
      <Alert color="red" variant="outline" role="alert">
        {reason}
      </Alert>
    )
  );
}

/** A character, or its code if nobody can see it: formatters of money write spaces that GSM-7 lacks. */
function visible(character: string) {
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
  return /[\p{Z}\p{C}]/u.test(character) ? `U+${code}` : character;
}

const REASONS = [
  ["INVALID", "Invalid"],
  ["DUPLICATE", "Duplicates"],
  ["OPTED_OUT", "Opted out"],
  ["NOT_ALLOWED", "Not allowed"],
] as const;

function Reasons({ quote }: { quote: Quote }) {
  // Only the first ones are listed: their counts would be wrong.
  if (quote.rejected.length < quote.rejectedCount) return null;
  return REASONS.map(([reason, label]) => {
    const found = quote.rejected.filter((each) => each.reason === reason).length;
    return found > 0 && <Line key={reason} label={label} value={count(found)} />;
  });
}

function Line({ label, value }: { label: string; value: string }) {
  return (
    <Group justify="space-between" gap="xs">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text size="sm" fw={600}>
        {value}
      </Text>
    </Group>
  );
}
