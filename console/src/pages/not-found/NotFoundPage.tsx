import { Anchor, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { Page } from "../../components/Page";

export function NotFoundPage() {
  return (
    <Page title="Page not found">
      <Text>
        There is no page at this address. Go to the <Anchor component={Link} to="/">start page</Anchor>
        .
      </Text>
    </Page>
  );
}

export function NotAllowedPage() {
  return (
    <Page title="Not allowed">
      <Text>
        Your role does not include this page. Go to the{" "}
        <Anchor component={Link} to="/">
          start page
        </Anchor>
        , or ask your administrator.
      </Text>
    </Page>
  );
}
