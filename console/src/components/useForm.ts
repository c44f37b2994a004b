import { useEffect, useRef, useState } from "react";
import { keepDraft, readDraft } from "../api/drafts";
import type { Failure } from "../api/useAction";
import { problemOf } from "./FailureNote";

/**
 * The values of a form, named as the API names them, and the props of their inputs: the value, how
 * it changes, and the failure of the action if it is about this value. With the name of a draft, what
 * was typed survives a session that ends, until the form is closed.
 */
export function useForm<Values extends object>(
  initial: Values,
  { isBusy, failure }: { isBusy: boolean; failure: Failure | null },
  draft?: string,
) {
  const [values, setValues] = useState<Values>(() =>
    draft ? { ...initial, ...JSON.parse(readDraft(draft) || "{}") } : initial,
  );
  const first = useRef(values);
  const [hasDraft] = useState(() => Boolean(draft && readDraft(draft)));
  useEffect(() => {
    if (draft && values !== first.current) keepDraft(draft, JSON.stringify(values));
  }, [draft, values]);
  type Name = keyof Values & string;

  function set<Key extends Name>(name: Key, value: Values[Key]) {
    setValues((before) => ({ ...before, [name]: value }));
  }

  return {
    values,
    isBusy,
    failure,
    /** Failures of these are shown beside their inputs. */
    names: Object.keys(values),
    /** Whether it began with what was typed before. */
    hasDraft,
    forget: () => draft && keepDraft(draft, ""),
    /** For inputs that pass an event. */
    text: <Key extends Name>(name: Key) => ({
      value: values[name],
      onChange: (event: { currentTarget: { value: string } }) =>
        set(name, event.currentTarget.value as Values[Key]),
      error: problemOf(failure, name),
    }),
    /** For inputs that pass a value. */
    value: <Key extends Name>(name: Key) => ({
      value: values[name],
      onChange: (value: Values[Key]) => set(name, value),
      error: problemOf(failure, name),
    }),
    /** For choices that cannot be empty. */
    choice: <Key extends Name>(name: Key) => ({
      value: values[name] as string,
      onChange: (value: string | null) => value && set(name, value as Values[Key]),
      error: problemOf(failure, name),
      allowDeselect: false,
    }),
    checked: <Key extends Name>(name: Key) => ({
      checked: Boolean(values[name]),
      onChange: (event: { currentTarget: { checked: boolean } }) =>
        set(name, event.currentTarget.checked as Values[Key]),
    }),
  };
}

/** A number input's value for the API: null if it is empty. */
export function numberOrNull(value: number | string): number | null {
  return value === "" ? null : Number(value);
}
