import { phone } from "../text/phones";

/** A phone number as it is written in its country. The full number is in the tooltip. */
export function PhoneText({ number }: { number: string }) {
  return (
    <span title={number} style={{ whiteSpace: "nowrap" }}>
      {phone(number)}
    </span>
  );
}
