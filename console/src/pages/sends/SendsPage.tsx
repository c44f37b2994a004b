import type { ResultOf } from "../../api/graphql";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { can, useViewer } from "../../app/viewer";
import { columnsOf, DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { ButtonLink, TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { SendProgress } from "../../components/SendProgress";
import { TimeText } from "../../components/TimeText";
import { count } from "../../text/numbers";
import { MESSAGE_UPDATED, SENDS, type SendRow } from "./documents";

const column = columnsOf<SendRow>();
const columns = column.columns([
  column.accessor("createdAt", {
    header: "When",
    cell: ({ row }) => (
      <TextLink to="/sends/$sendId" params={{ sendId: row.original.id }}>
        <TimeText at={row.original.createdAt} />
      </TextLink>
    ),
  }),
  column.accessor("accepted", {
    header: "Messages",
    cell: ({ getValue }) => count(getValue()),
    meta: { isNumber: true },
  }),
  column.display({
    id: "progress",
    header: "Progress",
    cell: ({ row }) => <SendProgress counts={row.original.counts} />,
  }),
  column.accessor("rejectedCount", {
    header: "Not accepted",
    cell: ({ getValue }) => count(getValue()),
    meta: { isNumber: true, isWide: true },
  }),
  column.accessor("charged", {
    header: "Charged",
    cell: ({ getValue }) => count(getValue()),
    meta: { isNumber: true, isWide: true },
  }),
]);

const sendsOf = (data: ResultOf<typeof SENDS>) => data.sends;
const idOf = (send: SendRow) => send.id;

export function SendsPage() {
  const viewer = useViewer();
  const pages = usePages(SENDS, {}, sendsOf, idOf);
  useLive(MESSAGE_UPDATED, {}, pages.refresh);
  return (
    <Page
      title="Sends"
      description="Every request to send, the newest first."
      actions={
        can(viewer, "sender") && (
          <ButtonLink to="/send">New send</ButtonLink>
        )
      }
    >
      <DataTable
        label="Sends"
        pages={pages}
        columns={columns}
        empty={
          <EmptyState title="Nothing has been sent yet">
            {can(viewer, "sender") ? (
              <TextLink to="/send">Send a first message</TextLink>
            ) : (
              "Sends of all clients appear here as soon as there are any."
            )}
          </EmptyState>
        }
      />
    </Page>
  );
}
