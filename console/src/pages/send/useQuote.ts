import { useDebouncedValue } from "@mantine/hooks";
import { useData } from "../../api/useData";
import { QUOTE } from "./documents";

const PATIENCE_MILLISECONDS = 300;

/** What a send would do and cost, a moment after the last key. */
export function useQuote(to: string[], text: string) {
  const [key] = useDebouncedValue(JSON.stringify({ to, text }), PATIENCE_MILLISECONDS);
  const input = JSON.parse(key) as { to: string[]; text: string };
  const isComplete = input.to.length > 0 && input.text !== "";
  const { data, failure } = useData(QUOTE, { input }, { isPaused: !isComplete });
  const isPresent = isComplete && key === JSON.stringify({ to, text });
  return { quote: isComplete ? (data?.quote ?? null) : null, failure: isComplete ? failure : null, isPresent };
}
