import { ActionIcon, Menu, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { Link } from "@tanstack/react-router";
import { KeyRound, LogOut, Moon, Sun, UserRound } from "lucide-react";
import { signOut } from "../../api/session";
import { useViewer } from "../viewer";
import { PasswordModal } from "./PasswordModal";

export function UserMenu() {
  const viewer = useViewer();
  const { setColorScheme } = useMantineColorScheme();
  const [isChanging, changing] = useDisclosure();
  const isDark = useComputedColorScheme("light") === "dark";

  async function leave() {
    try {
      await signOut();
    } catch {
      notifications.show({
        color: "red",
        title: "You are still signed in",
        message: "The server could not be reached. Try again when the connection is back.",
      });
    }
  }

  return (
    <>
      <Menu position="bottom-end" width={240}>
        <Menu.Target>
          <ActionIcon variant="default" size="lg" aria-label="Your account and settings">
            <UserRound size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>{viewer.email}</Menu.Label>
          <Menu.Item component={Link} to="/account" leftSection={<UserRound size={16} />}>
            Account
          </Menu.Item>
          <Menu.Item leftSection={<KeyRound size={16} />} onClick={changing.open}>
            Change password
          </Menu.Item>
          <Menu.Item
            leftSection={isDark ? <Sun size={16} /> : <Moon size={16} />}
            onClick={() => setColorScheme(isDark ? "light" : "dark")}
          >
            {isDark ? "Light theme" : "Dark theme"}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<LogOut size={16} />} onClick={leave}>
            Sign out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {isChanging && <PasswordModal onClose={changing.close} />}
    </>
  );
}
