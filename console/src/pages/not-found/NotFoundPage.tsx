import { Text } from "@mantine/core";
import { TextLink } from "../../components/links";
import { Page } from "../../components/Page";

export function NotFoundPage() {
  return (
    <Page title="Page not found">
      <Text>
        There is no page at this address. Go to the <TextLink to="/">start page</TextLink>.
      </Text>
    </Page>
  );
}

export function NotAllowedPage() {
  return (
    <Page title="Not allowed">
      <Text>
        Your role does not include this page. Go to the{" "}
        <TextLink to="/">start page</TextLink>, or ask your administrator.
      </Text>
    </Page>
  );
}
