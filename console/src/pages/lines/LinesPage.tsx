import { Badge, Button } from "@mantine/core";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { useLive } from "../../api/useLive";
import { actionColumn, type Column } from "../../components/columns";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { Page } from "../../components/Page";
import { PlainTable } from "../../components/PlainTable";
import { TimeText } from "../../components/TimeText";
import { Waiting } from "../../components/Waiting";
import { distinctNames } from "../../text/names";
import { phone } from "../../text/phones";
import { WEBHOOK_RECEIVED } from "../webhooks/documents";
import { DELETE_ROUTE, type Line, ROUTES } from "./documents";
import { LineModal } from "./LineModal";
import { ReadinessTest } from "./ReadinessTest";

const titleOf = ({ modem, port }: Line) => `${modem} / ${port}`;

function columnsWith(
  clientOf: (line: Line) => string,
  edit: (line: Line) => void,
  remove: (line: Line) => void,
): Column<Line>[] {
  return [
    { header: "Modem / port", cell: titleOf },
    { header: "Client", cell: clientOf },
    {
      header: "Numbers",
      cell: ({ assignedNumbers }) => assignedNumbers.map(phone).join(", ") || "–",
      isWide: true,
    },
    {
      header: "Origin",
      cell: ({ learned }) => (
        <Badge variant="dot" color={learned ? "gray" : "indigo"}>
          {learned ? "Learned" : "By hand"}
        </Badge>
      ),
      isWide: true,
    },
    {
      header: "Last seen",
      cell: ({ lastSeenAt }) => (lastSeenAt ? <TimeText at={lastSeenAt} relative /> : "Never"),
      isWide: true,
    },
    actionColumn(
      ["Change", (line) => `Change ${titleOf(line)}`, edit],
      ["Remove", (line) => `Remove ${titleOf(line)}`, remove],
    ),
  ];
}

/** Which modem and port belongs to which client. */
export function LinesPage() {
  const { data, failure, isLoading, reload } = useData(ROUTES, {}, { types: ["ModemRoute"] });
  useLive(WEBHOOK_RECEIVED, {}, reload); // a line can be learned from an event
  const [edited, setEdited] = useState<Line | "new" | null>(null);
  const [removed, setRemoved] = useState<Line | null>(null);
  const remove = useAction(DELETE_ROUTE);
  const lines = data?.modemRoutes ?? [];
  const names = distinctNames(lines.map(({ client }) => client));
  const nameOf = ({ client }: Line) => names.get(client.id) ?? client.name;

  return (
    <Page
      title="Lines"
      description="Modems and ports, learned from inbound messages or set by hand."
      actions={
        <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
          Set a line
        </Button>
      }
    >
      <FailureNote failure={failure} />
      {isLoading && <Waiting />}
      {data && lines.length === 0 && (
        <EmptyState title="No lines yet">
          A line appears with the first inbound message that comes in on it. You can also set one by
          hand.
        </EmptyState>
      )}
      <PlainTable label="Lines" rows={lines} columns={columnsWith(nameOf, setEdited, setRemoved)} />
      <ReadinessTest />
      <LineModal
        key={edited === null || edited === "new" ? edited : edited.id}
        line={edited}
        onClose={() => setEdited(null)}
      />
      <FormModal
        title="Remove the line?"
        verb="Remove the line"
        isFinal
        isOpen={removed !== null}
        form={remove}
        onClose={() => setRemoved(null)}
        onSave={() => remove.run({ id: removed?.id ?? "" })}
      >
        <div>
          Messages that come in on modem {removed?.modem}, port {removed?.port} are no longer given to{" "}
          {removed && nameOf(removed)} because of it. It can be learned again.
        </div>
      </FormModal>
    </Page>
  );
}
