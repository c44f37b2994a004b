import type { MessageStatus } from "../api/graphql";
import { ReasonBadge } from "./ReasonBadge";

interface Look {
  label: string;
  color: string;
  meaning: string;
}

export const STATUSES: Record<MessageStatus, Look> = {
  QUEUED: { label: "Queued", color: "gray", meaning: "Accepted and charged, not sent yet." },
  SUBMITTING: { label: "Sending", color: "blue", meaning: "On its way at this moment." },
  SENT: { label: "Sent", color: "indigo", meaning: "Submitted to the network." },
  DELIVERED: { label: "Delivered", color: "green", meaning: "It arrived on the phone." },
  UNDELIVERED: { label: "Undelivered", color: "orange", meaning: "The network could not deliver it." },
  REJECTED: { label: "Rejected", color: "red", meaning: "Not sent. The charge was given back." },
  UNKNOWN: {
    label: "Unknown",
    color: "yellow",
    meaning: "It may have been sent. It stays charged and is not sent again by itself.",
  },
  CANCELLED: { label: "Cancelled", color: "gray", meaning: "Cancelled. The charge was given back." },
};

export function StatusBadge({ status, failure }: { status: MessageStatus; failure?: string | null }) {
  return <ReasonBadge {...STATUSES[status]} reason={failure} />;
}
