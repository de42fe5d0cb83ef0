import { type JsonObject, ownEntry } from "../base/json.ts";
import type { ListChangeFigures } from "../observe/metrics.ts";

/** How often windows were notified for one cause that their lists have changed. */
export interface ListChangeRow extends JsonObject {
  /** Why: mounted, removed, known, changed, renamed or settings. */
  cause: string;
  /** The server it is about, if it is about one. */
  server?: string;
  count: number;
  last_at: string;
}

/** The rows of `GET /status`, the latest cause first. */
export function listChangeRows({ causes }: ListChangeFigures): ListChangeRow[] {
  return causes.map(({ cause, server, count, lastAt }) => ({
    cause,
    server,
    count,
    last_at: lastAt.toISOString(),
  }));
}

const CAUSES: Readonly<Record<string, string>> = {
  mounted: "was mounted",
  removed: "was removed",
  known: "became known",
  changed: "changed its lists",
  renamed: "has other names, as another server has the same",
  settings: "settings changed what windows see",
};

/** "files was mounted": why windows were notified, for people. */
export function causeInWords({ cause, server }: Pick<ListChangeRow, "cause" | "server">): string {
  const words = ownEntry(CAUSES, cause) ?? cause;
  return server === undefined ? words : `${server} ${words}`;
}
