// Phone numbers as people read them. Apart from other texts, because the library is large.
import { parsePhoneNumberFromString } from "libphonenumber-js/min";

const HOME_CALLING_CODE = "1";
const formatted = new Map<string, string>();

/** A number as it is written in its country: "(202) 555-0100", "+49 1511 2345678". */
export function phone(number: string): string {
  const known = formatted.get(number);
  if (known !== undefined) return known;
  const parsed = number.startsWith("+") ? parsePhoneNumberFromString(number) : undefined;
  const isHome = parsed?.countryCallingCode === HOME_CALLING_CODE;
  const text = parsed ? (isHome ? parsed.formatNational() : parsed.formatInternational()) : number;
  formatted.set(number, text);
  return text;
}
