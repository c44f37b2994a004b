import { Badge, Button, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { ConfirmModal } from "../../components/ConfirmModal";
import { FailureNote } from "../../components/FailureNote";
import { PlainTable, RowButton } from "../../components/PlainTable";
import { TimeText } from "../../components/TimeText";
import { fullTime } from "../../text/times";
import { END_OTHER_SESSIONS, END_SESSION, SESSIONS } from "./documents";

/** Where the viewer is signed in. The viewer can end a session that they do not recognise. */
export function Sessions() {
  const { data, failure, reload } = useData(SESSIONS, {}, { types: ["OpenSession"] });
  const end = useAction(END_SESSION);
  const others = useAction(END_OTHER_SESSIONS);
  const [isAsking, asking] = useDisclosure();
  const sessions = data?.mySessions ?? [];

  async function endOthers() {
    if ((await others.run({})).failure) return;
    asking.close();
    reload();
  }

  return (
    <Stack component="section" aria-labelledby="sessions">
      <Group justify="space-between">
        <div>
          <Title order={2} size="h4" id="sessions">
            Sessions
          </Title>
          <Text c="dimmed" size="sm">
            Your open sessions. End each session that you do not recognise.
          </Text>
        </div>
        <Button variant="default" disabled={sessions.length < 2} onClick={asking.open}>
          Sign out everywhere else
        </Button>
      </Group>
      <FailureNote failure={failure ?? end.failure} />
      {sessions.length > 0 && (
        <PlainTable label="Sessions" head={["Signed in", "Last used", { wide: "Ends by itself" }]}>
          {sessions.map((session) => (
            <Table.Tr key={session.id}>
              <Table.Td>
                <TimeText at={session.createdAt} />
              </Table.Td>
              <Table.Td>
                <TimeText at={session.refreshedAt} relative />
              </Table.Td>
              <Table.Td visibleFrom="sm">
                <TimeText at={session.expiresAt} />
              </Table.Td>
              <Table.Td ta="right">
                {session.current ? (
                  <Badge variant="outline">
                    This one
                  </Badge>
                ) : (
                  <RowButton onClick={() => void end.run({ id: session.id }).then(reload)}>
                    End<span className="visually-hidden"> the session of {fullTime(session.createdAt)}</span>
                  </RowButton>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </PlainTable>
      )}
      <ConfirmModal
        title="Sign out everywhere else?"
        verb="Sign out"
        isOpen={isAsking}
        isBusy={others.isBusy}
        failure={others.failure}
        onClose={asking.close}
        onConfirm={() => void endOthers()}
      >
        Every other browser and program that is signed in as you has to sign in again. API keys stay
        as they are.
      </ConfirmModal>
    </Stack>
  );
}
