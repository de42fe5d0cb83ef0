import { messageOf } from "../../lib/base/errors.ts";

/** Processes go before the directories they write to. */
type Kind = "process" | "directory";

interface Held {
  kind: Kind;
  release: () => Promise<void>;
}

const held = new Set<Held>();
let closing = false;

/**
 * Keeps `release` for the end of the tool, however that comes; disposing the hold releases earlier. It runs once.
 *
 * @throws when the tool is ending already, so that nothing new is started then
 */
export function hold(kind: Kind, release: () => Promise<void>): AsyncDisposable {
  if (closing) throw new Error("the tool is ending");
  const entry: Held = { kind, release };
  held.add(entry);
  return {
    async [Symbol.asyncDispose]() {
      if (held.delete(entry)) await release();
    },
  };
}

/** Releases all that is held. Returns what could not be released, one line each. */
export async function releaseAll(): Promise<string[]> {
  closing = true;
  const faults: string[] = [];
  for (const kind of ["process", "directory"] as const) {
    const entries = [...held].filter((entry) => entry.kind === kind);
    for (const entry of entries) held.delete(entry);
    const ends = await Promise.allSettled(entries.map(({ release }) => release()));
    for (const end of ends) if (end.status === "rejected") faults.push(messageOf(end.reason));
  }
  return faults;
}

/** Whether the tool is ending, so that what is released now is cut off and not done with. */
export function isEnding(): boolean {
  return closing;
}

/** A directory of its own, removed at the end of the tool. */
export async function tempDir(prefix: string): Promise<string> {
  const path = await Deno.makeTempDir({ prefix });
  const remove = () => Deno.remove(path, { recursive: true });
  if (closing) await remove();
  hold("directory", remove);
  return path;
}
