import { Textarea } from "@mantine/core";
import { SendLater, useWhen, whenOf } from "../../components/SendLater";
import { useDraft } from "../../components/useDraft";
import { numbersIn } from "../../text/recipients";
import { ContactPicker } from "./ContactPicker";
import { SEND_TO_ALL } from "./documents";
import { QuotePanel } from "./QuotePanel";
import { SendForm } from "./SendForm";
import { TextOrTemplate, useWords } from "./TextOrTemplate";
import { useQuote } from "./useQuote";
import { useSend } from "./useSend";

/** One text to the numbers that are typed, pasted or picked from the contacts. */
export function SendNumbers() {
  const [numbers, setNumbers] = useDraft("send-numbers");
  const [text, setText] = useDraft("send-text");
  const { when, setWhen, sendNow } = useWhen();
  const chosen = useWords(text);
  const to = numbersIn(numbers);
  const input = { to, ...chosen.words, ...whenOf(when) };
  const { quote, failure, isPresent } = useQuote(input, to.length > 0 && chosen.isComplete);
  const sending = useSend(SEND_TO_ALL);

  async function send() {
    if (await sending.send(input)) {
      setNumbers("");
      setText("");
      sendNow();
    }
  }

  return (
    <SendForm
      quotePanel={<QuotePanel quote={quote} isPresent={isPresent} text={chosen.words.text} />}
      accepted={quote?.accepted ?? 0}
      isLater={when.time !== ""}
      isReady={isPresent && quote !== null && quote.accepted > 0 && quote.affordable}
      isBusy={sending.isBusy}
      failure={failure ?? sending.failure}
      onSend={send}
    >
      <Textarea
        label="Numbers"
        description="One per line, or separated by commas."
        // To measure thousands of lines with each key, as autosize does, would make typing slow.
        rows={Math.min(Math.max(numbers.split("\n").length, 3), 10)}
        value={numbers}
        onChange={(event) => setNumbers(event.currentTarget.value)}
      />
      <ContactPicker
        onPick={(number) => setNumbers(numbers ? `${numbers.trimEnd()}\n${number}` : number)}
      />
      <TextOrTemplate text={text} onChange={setText} chosen={chosen} />
      <SendLater when={when} onChange={setWhen} />
    </SendForm>
  );
}
