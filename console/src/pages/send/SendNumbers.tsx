import { Button, Grid, Group, Stack, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { FailureNote } from "../../components/FailureNote";
import { NOW, SendLater, whenOf } from "../../components/SendLater";
import { useDraft } from "../../components/useDraft";
import { units } from "../../text/numbers";
import { numbersIn } from "../../text/recipients";
import { ContactPicker } from "./ContactPicker";
import { SEND_TO_ALL } from "./documents";
import { QuotePanel } from "./QuotePanel";
import { TextOrTemplate, useWords } from "./TextOrTemplate";
import { useQuote } from "./useQuote";
import { useSend } from "./useSend";

/** One text to the numbers that are typed, pasted or picked from the contacts. */
export function SendNumbers() {
  const [numbers, setNumbers] = useDraft("send-numbers");
  const [text, setText] = useDraft("send-text");
  const [when, setWhen] = useState(NOW);
  const chosen = useWords(text);
  const to = numbersIn(numbers);
  const input = { to, ...chosen.words, ...whenOf(when) };
  const { quote, failure, isPresent } = useQuote(input, to.length > 0 && chosen.isComplete);
  const sending = useSend(SEND_TO_ALL);

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (await sending.send(input)) {
      setNumbers("");
      setText("");
    }
  }

  const isReady = isPresent && quote !== null && quote.accepted > 0 && quote.affordable;
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Grid>
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Stack>
            <Textarea
              label="Numbers"
              description="One per line, or separated by commas."
              autosize
              minRows={3}
              maxRows={10}
              value={numbers}
              onChange={(event) => setNumbers(event.currentTarget.value)}
              inputMode="tel"
            />
            <ContactPicker
              onPick={(number) => setNumbers(numbers ? `${numbers.trimEnd()}\n${number}` : number)}
            />
            <TextOrTemplate text={text} onChange={setText} chosen={chosen} />
            <SendLater when={when} onChange={setWhen} />
            <FailureNote failure={failure ?? sending.failure} />
            <Group>
              <Button type="submit" loading={sending.isBusy} disabled={!isReady}>
                {quote && quote.accepted > 1 ? `Send ${units(quote.accepted, "message")}` : "Send"}
              </Button>
            </Group>
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>
          <QuotePanel quote={quote} isPresent={isPresent} text={chosen.words.text} />
        </Grid.Col>
      </Grid>
    </form>
  );
}
