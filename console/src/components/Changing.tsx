import { useEffect, useRef, useState } from "react";

/** A figure that lights up for a moment when it changes. */
export function Changing({ value }: { value: string }) {
  const former = useRef(value);
  const [changes, setChanges] = useState(0);
  useEffect(() => {
    if (former.current === value) return;
    former.current = value;
    setChanges((n) => n + 1);
  }, [value]);
  return (
    <span key={changes} className={changes > 0 ? "changed" : undefined}>
      {value}
    </span>
  );
}
