import { Alert } from "@mantine/core";
import { WifiOff } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { connectionState, onConnectionChange } from "../../api/connection";

const PATIENCE_MILLISECONDS = 1_500;

/** Says that live updates do not arrive. A short interruption is not shown. */
export function ConnectionBanner() {
  const isLost = useSyncExternalStore(onConnectionChange, connectionState) === "lost";
  const [isShown, setShown] = useState(false);
  useEffect(() => {
    if (!isLost) {
      setShown(false);
      return;
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [isLost]);
  return (
    <div role="status" aria-live="polite">
      {isShown && (
        <Alert color="orange" variant="outline" mb="md" icon={<WifiOff size={18} />}>
          The connection is lost. What you see may be out of date. It continues by itself as soon as
          the server answers.
        </Alert>
      )}
    </div>
  );
}
