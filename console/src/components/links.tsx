// Mantine's links and buttons with the router's typed addresses.
import { Anchor, type AnchorProps, Button, type ButtonProps, NavLink, type NavLinkProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { ComponentPropsWithRef } from "react";

type AnchorElement = Omit<ComponentPropsWithRef<"a">, keyof AnchorProps>;

export const TextLink = createLink((props: AnchorProps & AnchorElement) => (
  <Anchor<"a"> component="a" {...props} />
));
export const ButtonLink = createLink(
  (props: ButtonProps & Omit<ComponentPropsWithRef<"a">, keyof ButtonProps>) => (
    <Button<"a"> component="a" {...props} />
  ),
);
export const PageLink = createLink(
  (props: NavLinkProps & Omit<ComponentPropsWithRef<"a">, keyof NavLinkProps>) => (
    <NavLink<"a"> component="a" {...props} />
  ),
);
