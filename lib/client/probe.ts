import { VERSION } from "../base/version.ts";
import type { ClientTls } from "../config/tls.ts";
import { openVerified } from "./connect.ts";
import { sayHello } from "./link.ts";
import { LinkError } from "./link_target.ts";

/** What answers at an address: an EXAI daemon, another program, or nothing. */
export type ProbeResult =
  | { kind: "exai"; version?: string; pid?: number; home?: string }
  | { kind: "other"; why: string }
  | { kind: "none" };

interface ProbeOptions {
  usesToken: boolean;
  allowsAnyUser: boolean;
  readToken(): Promise<string | undefined>;
  timeoutMs: number;
  /** Path of a Unix socket to connect through. */
  socket?: string;
  /** For `wss:`. */
  tls?: ClientTls;
}

/** Connects to `url` (`ws://host:port/`) to see whether an EXAI daemon listens there. */
export async function probeDaemon(url: string, options: ProbeOptions): Promise<ProbeResult> {
  const { usesToken, allowsAnyUser, readToken, ...way } = options;
  try {
    const connection = await openVerified({ url, ...way }, { usesToken, allowsAnyUser, readToken });
    const { socket, ack } = await sayHello(connection, { client: { name: "exai-probe", version: VERSION } });
    socket.close(1000);
    return { kind: "exai", ...ack.daemon };
  } catch (thrown) {
    if (!(thrown instanceof LinkError)) throw thrown;
    if (thrown.fault === "refused") return { kind: "none" };
    // It asks for a token, and there is none to identify it further.
    if (thrown.fault === "unauthorized" && !usesToken) return { kind: "exai" };
    return { kind: "other", why: thrown.message };
  }
}
