import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { useLive } from "../../api/useLive";
import { usePages } from "../../api/usePages";
import { actionColumn, type Column } from "../../components/columns";
import { DataTable } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { TextLink } from "../../components/links";
import { Page } from "../../components/Page";
import { PhoneText } from "../../components/PhoneText";
import { TimeText } from "../../components/TimeText";
import { distinctNames } from "../../text/names";
import { phone } from "../../text/phones";
import { MESSAGE_UPDATED } from "../sends/documents";
import { UNKNOWN, type UnknownMessage } from "./documents";
import { ExportButton } from "./ExportButton";
import { SettleManyModal } from "./SettleManyModal";
import { SettleModal } from "./SettleModal";

function columnsWith(names: Map<string, string>, settle: (message: UnknownMessage) => void): Column<UnknownMessage>[] {
  return [
    { header: "Number", cell: ({ number }) => <PhoneText number={number} /> },
    { header: "Client", cell: ({ client }) => (client && names.get(client.id)) ?? "–" },
    { header: "Since", cell: ({ updatedAt }) => <TimeText at={updatedAt} />, isWide: true },
    {
      header: "Send",
      cell: ({ sendId }) =>
        sendId && (
          <TextLink to="/sends/$sendId" params={{ sendId }}>
            Open
          </TextLink>
        ),
      isWide: true,
    },
    actionColumn(["Settle", ({ number }) => `Settle the message to ${phone(number)}`, settle]),
  ];
}

/** Messages that may have been sent: a person who knows says what happened. */
export function UnknownPage() {
  const [settled, setSettled] = useState<UnknownMessage | null>(null);
  const [isMany, many] = useDisclosure();
  const pages = usePages(UNKNOWN, {}, (data) => data.messages);
  useLive(MESSAGE_UPDATED, {}, pages.refresh);
  return (
    <Page
      title="Unknown messages"
      actions={
        <>
          {pages.items.length > 0 && <ExportButton />}
          {pages.items.length > 1 && (
            <Button variant="default" onClick={many.open}>
              Settle many
            </Button>
          )}
        </>
      }
      description="The provider gave no clear answer. These messages stay charged and are never sent again by themselves. Compare them with the provider's own log, then say what happened."
    >
      <DataTable
        label="Unknown messages"
        pages={pages}
        columns={columnsWith(distinctNames(pages.items.map(({ client }) => client)), setSettled)}
        empty={
          <EmptyState title="No outcome is unknown">
            Messages appear here if a provider accepts a call and does not answer it clearly.
          </EmptyState>
        }
      />
      <SettleManyModal
        key={String(isMany)}
        isOpen={isMany}
        onClose={many.close}
        onChange={pages.refresh}
      />
      {settled && (
        <SettleModal
          key={settled.id}
          message={settled}
          onClose={() => setSettled(null)}
          onChange={pages.refresh}
        />
      )}
    </Page>
  );
}
