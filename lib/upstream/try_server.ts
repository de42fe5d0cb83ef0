import { withDeadline } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Implementation } from "../wire/mcp.ts";
import type { Era } from "../wire/client_claim.ts";
import { EraMemory } from "./era_memory.ts";
import { refusalAdvice } from "./sharing/decide_share.ts";
import type { Connect } from "./start_instance.ts";
import { startSpoken } from "./start_spoken.ts";

/** How a server has stood a trial. */
export type ServerTrial =
  | { outcome: "answers"; tools: number; era: Era; revision: string }
  /** Nobody is signed in to it. */
  | { outcome: "needs a login"; why: string }
  /** Its program is in no directory. */
  | { outcome: "missing"; why: string }
  /** It runs, or is being installed, and has not answered in time. */
  | { outcome: "silent"; why: string }
  /** It cannot be started or reached, or has ended; `status` is that of HTTP. */
  | { outcome: "fails"; why: string; status?: number };

interface TrialOptions {
  connect: Connect;
  clientInfo: Implementation;
  timeoutMs: number;
}

/** Starts `config`, which is bound to a session, has it list its tools, and ends it again. */
export async function tryServer(
  config: ServerConfig,
  { connect, clientInfo, timeoutMs }: TrialOptions,
): Promise<ServerTrial> {
  const why = `it has not answered within ${timeoutMs / 1000} s`;
  const late = new ExaiError("TIMEOUT", `server "${config.title}": ${why}`);
  const trial = new AbortController();
  try {
    const asked = list({ ...config, startTimeoutMs: 2 * timeoutMs }, {
      connect,
      clientInfo,
      signal: trial.signal,
    });
    return { outcome: "answers", ...await withDeadline(asked, { timeoutMs, late }) };
  } catch (thrown) {
    if (thrown === late) return { outcome: "silent", why };
    const { code, message, details = {} } = ExaiError.from(thrown);
    if (code === "LOGIN_REQUIRED") return { outcome: "needs a login", why: String(details.what ?? message) };
    if (details.missing === "program") return { outcome: "missing", why: message };
    return { outcome: "fails", why: message, status: details.status as number | undefined };
  } finally {
    trial.abort();
  }
}

/** The number of its tools, and how it is spoken with. */
async function list(
  config: ServerConfig,
  { connect, clientInfo, signal }: Pick<TrialOptions, "connect" | "clientInfo"> & { signal: AbortSignal },
): Promise<{ tools: number; era: Era; revision: string }> {
  const open = () => connect(config, signal);
  const parts = { connect: open, eras: new EraMemory(config), signal };
  await using instance = await startSpoken(await open(), parts, {
    name: config.title,
    clientInfo,
    capabilities: {},
    roots: "none",
    startTimeoutMs: config.startTimeoutMs,
    refusalAdvice: refusalAdvice(false),
    onListChanged: () => {},
  });
  const { era, revision } = instance.speaks;
  return { tools: (await instance.lists.get("tools")).length, era, revision };
}
