import { VERSION } from "../base/version.ts";
import type { ClientTls } from "../config/tls.ts";
import { sayHello } from "./link.ts";
import { LinkError } from "./link_target.ts";
import { openVerified } from "./connect.ts";

/** What answers at an address. */
export type ProbeResult =
  | { kind: "exai"; version?: string; pid?: number }
  | { kind: "stranger"; why: string }
  | { kind: "nobody" };

interface ProbeOptions {
  /** Whether a token is used at all. */
  usesToken: boolean;
  ofAnyUser: boolean;
  readToken(): Promise<string | undefined>;
  timeoutMs: number;
  /** Path of a Unix socket to ask through. */
  socket?: string;
  /** For `wss:`. */
  tls?: ClientTls;
}

/** Asks whoever listens at `url` (`ws://host:port/`) whether it is an EXAI daemon: only its own answer is proof. */
export async function probeDaemon(url: string, options: ProbeOptions): Promise<ProbeResult> {
  const { usesToken, ofAnyUser, readToken, ...way } = options;
  try {
    const reached = await openVerified({ url, ...way }, { usesToken, allowsAnyUser: ofAnyUser, readToken });
    const { socket, ack } = await sayHello(reached, { client: { name: "exai-probe", version: VERSION } });
    socket.close(1000);
    return { kind: "exai", ...ack.daemon };
  } catch (thrown) {
    if (!(thrown instanceof LinkError)) throw thrown;
    if (thrown.fault === "refused") return { kind: "nobody" };
    // It has asked us for a token and we have none: nothing more can be known of it.
    if (thrown.fault === "unauthorized" && !usesToken) return { kind: "exai" };
    return { kind: "stranger", why: thrown.message };
  }
}
