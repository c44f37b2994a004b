import { Badge, Button, Group, Stack, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { ResultOf } from "../../api/graphql";
import { useAction } from "../../api/useAction";
import { useData } from "../../api/useData";
import { ACTIONS, type Column, RowButton } from "../../components/columns";
import { FailureNote } from "../../components/FailureNote";
import { FormModal } from "../../components/FormModal";
import { PlainTable } from "../../components/PlainTable";
import { TimeText } from "../../components/TimeText";
import { fullTime } from "../../text/times";
import { END_OTHER_SESSIONS, END_SESSION, SESSIONS } from "./documents";

type Session = ResultOf<typeof SESSIONS>["mySessions"][number];

function columnsWith(end: (session: Session) => void): Column<Session>[] {
  return [
    { header: "Signed in", cell: ({ createdAt }) => <TimeText at={createdAt} /> },
    { header: "Last used", cell: ({ refreshedAt }) => <TimeText at={refreshedAt} relative /> },
    { header: "Ends by itself", cell: ({ expiresAt }) => <TimeText at={expiresAt} />, isWide: true },
    {
      header: ACTIONS,
      cell: (session) =>
        session.current ? (
          <Badge variant="outline">This one</Badge>
        ) : (
          <RowButton label={`End the session of ${fullTime(session.createdAt)}`} onClick={() => end(session)}>
            End
          </RowButton>
        ),
      isNumber: true,
    },
  ];
}

/** Where the viewer is signed in. The viewer can end a session that they do not recognise. */
export function Sessions() {
  const { data, failure, reload } = useData(SESSIONS, {}, { types: ["OpenSession"] });
  const end = useAction(END_SESSION);
  const others = useAction(END_OTHER_SESSIONS);
  const [isAsking, asking] = useDisclosure();
  const sessions = data?.mySessions ?? [];

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
      <PlainTable
        label="Sessions"
        rows={sessions}
        columns={columnsWith(({ id }) => void end.run({ id }).then(reload))}
      />
      <FormModal
        title="Sign out everywhere else?"
        verb="Sign out"
        isFinal
        isOpen={isAsking}
        form={others}
        onClose={asking.close}
        onChange={reload}
        onSave={() => others.run({})}
      >
        Every other browser and program that is signed in as you has to sign in again. API keys stay
        as they are.
      </FormModal>
    </Stack>
  );
}
