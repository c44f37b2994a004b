import { useDebouncedValue } from "@mantine/hooks";
import type { VariablesOf } from "../../api/graphql";
import { useData } from "../../api/useData";
import { QUOTE } from "./documents";

const PATIENCE_MILLISECONDS = 300;

type QuoteInput = VariablesOf<typeof QUOTE>["input"];

/**
 * What a send would do and cost, a moment after the last key. `isComplete`: nothing is missing.
 * `isPresent`: the quote is about what is given now, and not about what was given before.
 */
export function useQuote(given: QuoteInput, isComplete: boolean) {
  const present = JSON.stringify(given);
  const [key] = useDebouncedValue(present, PATIENCE_MILLISECONDS);
  const input = JSON.parse(key) as QuoteInput;
  const { data, failure, isFetching } = useData(QUOTE, { input }, { isPaused: !isComplete || input.to.length === 0 });
  return {
    quote: isComplete ? (data?.quote ?? null) : null,
    failure: isComplete ? failure : null,
    isPresent: isComplete && key === present && !isFetching,
  };
}
