// A different name for each client: an installation may have two schools of the same name.
import { fullTime } from "./times";

interface Named {
  id: string;
  name: string;
  createdAt: string;
  group: { name: string } | null;
}

type Detail = (client: Named) => string;

const DETAILS: Detail[] = [
  ({ group }) => group?.name ?? "no group",
  ({ createdAt }) => `added ${fullTime(createdAt)}`,
];

/** The name of each client by its ID, with a detail if another one here has the same name. */
export function distinctNames(clients: (Named | null)[]): Map<string, string> {
  const same = new Map<string, Named[]>();
  const different = new Map(clients.flatMap((each) => (each ? [[each.id, each]] : [])));
  for (const client of different.values()) {
    const key = nameKey(client.name);
    same.set(key, [...(same.get(key) ?? []), client]);
  }
  return new Map([...same.values()].flatMap(withWhatDiffers));
}

/** What names are compared by. */
export function nameKey(name: string): string {
  return name.trim().toLowerCase();
}

function withWhatDiffers(same: Named[]): [string, string][] {
  if (same.length === 1) return same.map(({ id, name }) => [id, name]);
  const tells = (detail: Detail) => new Set(same.map(detail)).size === same.length;
  const detail = DETAILS.find(tells) ?? (({ id }: Named) => id);
  return same.map((client) => [client.id, `${client.name} (${detail(client)})`]);
}
