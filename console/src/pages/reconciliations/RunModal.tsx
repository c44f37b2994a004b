import { List, Modal, Stack, Text } from "@mantine/core";
import { count, units } from "../../text/numbers";
import { fullTime } from "../../text/times";
import type { Run } from "./documents";

/** The result of one run, each difference with its explanation. */
export function RunModal({ run, onClose }: { run: Run | null; onClose: () => void }) {
  return (
    <Modal opened={run !== null} onClose={onClose} title="Result of the run" size="lg" centered>
      {run && (
        <Stack>
          <Text size="sm">
            {run.finishedAt ? `Finished at ${fullTime(run.finishedAt)}.` : "Still running."}{" "}
            {units(run.sendsChecked, "send")} and {units(run.messagesChecked, "message")} checked,{" "}
            {units(run.unknownResolved, "unknown outcome")} resolved, {count(run.unknownLeft)} left.
          </Text>
          {run.differences.length === 0 ? (
            <Text>No difference was found.</Text>
          ) : (
            <List size="sm" spacing="xs">
              {run.differences.map((difference) => (
                <List.Item key={`${difference.sendId}-${difference.explanation}`}>
                  <b>{difference.client.name}</b>: {difference.explanation}{" "}
                  {difference.corrected ? "Corrected." : "Not corrected."}
                </List.Item>
              ))}
            </List>
          )}
        </Stack>
      )}
    </Modal>
  );
}
