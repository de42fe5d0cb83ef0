import { deadline } from "@std/async/deadline";
import type { JsonObject } from "../../../lib/base/json.ts";
import type { TextClient } from "./doors.ts";
import type { Arrival, VerbatimServer } from "./verbatim_server.ts";

/** Much longer than a message of megabytes takes on a busy machine. */
const TIMEOUT_MS = 30_000;

/** What stands for what is another on either side of the daemon. */
export type Fillings = Readonly<Record<string, string>>;

export const fill = (template: string, fillings: Fillings) =>
  template.replace(/<(\w+)>/g, (all, name: string) => fillings[name] ?? all);

/** What is called by `client`, as it knows it. */
export async function namesFor(client: TextClient, server: string): Promise<Fillings> {
  const nameIn = async (kind: "tools" | "prompts") => {
    await client.send(`{"jsonrpc":"2.0","id":"list","method":"${kind}/list"}`);
    const { result } = JSON.parse(await client.next());
    return JSON.stringify(
      result[kind].find(({ description }: JsonObject) => description === `of ${server}`).name,
    );
  };
  return { tool: await nameIn("tools"), prompt: await nameIn("prompts"), server };
}

/** What the server gets of what the client has sent; fails with what the client gets in its place. */
export async function arrivalAt(server: VerbatimServer, client: TextClient): Promise<Arrival> {
  const over = new AbortController();
  const refusal = client.next(over.signal).then(
    (text) => Promise.reject(new Error(`the client was answered: ${text}`)),
  );
  refusal.catch(() => {});
  const timer = setTimeout(() => over.abort(new Error("nothing came")), TIMEOUT_MS);
  try {
    return await Promise.race([server.next(over.signal), refusal]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** The next of what comes, which must come soon. */
export function next<T>({ next }: { next(signal?: AbortSignal): Promise<T> }): Promise<T> {
  return deadline(next(), TIMEOUT_MS);
}
