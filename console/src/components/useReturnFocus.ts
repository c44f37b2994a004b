import { useEffect } from "react";

/**
 * Returns the focus to what opened a dialog, or to the title of the page if that is gone. Mantine does not if
 * another dialog replaces it when it closes, as it does if the key is what is edited.
 */
export function useReturnFocus(isOpen: boolean): void {
  useEffect(() => {
    if (!isOpen) return;
    const opener = document.activeElement as HTMLElement | null;
    return () => {
      const place = opener?.isConnected ? opener : document.querySelector("h1");
      place?.focus({ preventScroll: true });
    };
  }, [isOpen]);
}
