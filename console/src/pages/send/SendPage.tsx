import { Tabs } from "@mantine/core";
import { FileSpreadsheet, Keyboard } from "lucide-react";
import { Page } from "../../components/Page";
import { useDraft } from "../../components/useDraft";
import { SendFile } from "./SendFile";
import { SendNumbers } from "./SendNumbers";

export function SendPage() {
  const [tab, setTab] = useDraft("send-tab");
  return (
    <Page title="Send" description="One text to many people, or a different text for each row of a file.">
      <Tabs value={tab || "numbers"} onChange={(value) => setTab(value ?? "")} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="numbers" leftSection={<Keyboard size={16} aria-hidden />}>
            Numbers
          </Tabs.Tab>
          <Tabs.Tab value="file" leftSection={<FileSpreadsheet size={16} aria-hidden />}>
            File
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="numbers">
          <SendNumbers />
        </Tabs.Panel>
        {/* A file that was chosen is still there after a look at the other tab. */}
        <Tabs.Panel value="file" keepMounted>
          <SendFile />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
