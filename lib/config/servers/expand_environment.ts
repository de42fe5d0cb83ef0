import type { Json } from "../../base/json.ts";
import { VariableFault } from "../variables.ts";
import type { EntryContext } from "./expand_entry.ts";
import { expandText } from "./expand_entry.ts";

/** Null takes a variable out. */
type ServerVariables = Record<string, string | null>;

/**
 * The variables of a server, filled in, added to those `before`. One whose value needs a variable that is not set is left
 * out with a warning: many entries list keys that only some of their users have. A variable of the entry may stand in
 * another.
 */
export async function expandEnvironment(
  entries: Readonly<Record<string, Json | undefined>>,
  before: ServerVariables,
  context: EntryContext,
): Promise<ServerVariables> {
  const env: ServerVariables = { ...before };
  const open = new Map<string, string>();
  for (const [name, value] of Object.entries(entries)) {
    if (value === null || value === undefined) env[name] = null;
    else open.set(name, String(value));
  }
  const unset = await expandAll(open, { context, env, own: {} });
  // What is not in the environment may be in another variable of the server's, which may need one more.
  for (let left = open.size + 1; left > open.size && open.size > 0;) {
    left = open.size;
    for (const [name, fault] of await expandAll(open, { context, env, own: { ...env } })) {
      unset.set(name, fault);
    }
  }
  for (const [name] of open) {
    const missing = unset.get(name);
    const message =
      `is left out, as the environment variable ${missing} is not set; set it in the profile of your ` +
      `shell, or write \${env:${missing}:-default} or \${file:PATH}`;
    context.warn(["env", name], message, { unset: missing });
  }
  return env;
}

/** Moves what can be filled in from `open` to `env`; returns what the others lack. */
async function expandAll(
  open: Map<string, string>,
  { context, env, own }: { context: EntryContext; env: ServerVariables; own: ServerVariables },
): Promise<Map<string, string>> {
  const unset = new Map<string, string>();
  for (const [name, text] of [...open]) {
    try {
      env[name] = await expandText(["env", name], text, { context, own });
      open.delete(name);
    } catch (thrown) {
      if (!(thrown instanceof VariableFault)) throw thrown;
      if (thrown.unset !== undefined) unset.set(name, thrown.unset);
      else {
        context.fault(["env", name], thrown.message);
        open.delete(name);
      }
    }
  }
  return unset;
}
