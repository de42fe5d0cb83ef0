import { withDeadline } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Implementation } from "../wire/mcp.ts";
import { Instance } from "./instance/instance.ts";
import { refusalAdvice } from "./sharing/decide_share.ts";
import type { Connect } from "./start_instance.ts";

/** How a server has stood a trial. */
export type ServerTrial =
  | { outcome: "answers"; tools: number }
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
    return { outcome: "answers", tools: await withDeadline(asked, { timeoutMs, late }) };
  } catch (thrown) {
    if (thrown === late) return { outcome: "silent", why };
    const { message, details = {} } = ExaiError.from(thrown);
    if (details.missing === "program") return { outcome: "missing", why: message };
    return { outcome: "fails", why: message, status: details.status as number | undefined };
  } finally {
    trial.abort();
  }
}

/** The number of its tools. */
async function list(
  config: ServerConfig,
  { connect, clientInfo, signal }: Pick<TrialOptions, "connect" | "clientInfo"> & { signal: AbortSignal },
): Promise<number> {
  const transport = await connect(config);
  const close = () => void transport.close().catch(() => {});
  if (signal.aborted) close();
  else signal.addEventListener("abort", close, { once: true });
  await using instance = await Instance.start(transport, {
    name: config.title,
    clientInfo,
    capabilities: {},
    roots: "none",
    startTimeoutMs: config.startTimeoutMs,
    refusalAdvice: refusalAdvice(false),
    onListChanged: () => {},
  });
  return (await instance.lists.get("tools")).length;
}
