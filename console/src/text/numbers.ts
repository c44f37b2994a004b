// Amounts and money as people read them.

const whole = new Intl.NumberFormat();

export function count(amount: number): string {
  return whole.format(amount);
}

/** An amount with its unit: "1 credit", "2,000 credits", "500 UGX". */
export function units(amount: number, unit: string): string {
  // Currency codes have no plural.
  const isWord = unit === unit.toLowerCase();
  return `${whole.format(amount)} ${isWord && Math.abs(amount) !== 1 ? `${unit}s` : unit}`;
}

export function signed(amount: number): string {
  return amount > 0 ? `+${whole.format(amount)}` : whole.format(amount).replace("-", "−");
}

/** "$150.00". The API's decimals are never made into floats: only the separators are added. */
export function usd(amount: string): string {
  const [integer = "0", decimals = ""] = amount.replace("-", "").split(".");
  const grouped = integer.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return `${amount.startsWith("-") ? "−" : ""}$${grouped}${decimals ? `.${decimals}` : ""}`;
}

/** What units are worth at a rate, in exact decimals, rounded half up to cents. */
export function valueOf(amount: number, rate: string): string | null {
  const match = /^(\d+)(?:\.(\d+))?$/.exec(rate);
  if (!match || !Number.isSafeInteger(amount)) return null;
  const scale = (match[2] ?? "").length;
  const exact = BigInt(Math.abs(amount)) * BigInt(`${match[1]}${match[2] ?? ""}`) * 100n;
  const divisor = 10n ** BigInt(scale);
  const cents = (exact * 2n + divisor) / (divisor * 2n);
  const text = cents.toString().padStart(3, "0");
  return `${amount < 0 ? "-" : ""}${text.slice(0, -2)}.${text.slice(-2)}`;
}
