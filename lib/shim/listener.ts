import { isLoopback } from "./loopback.ts";
import { LinkError } from "./link_error.ts";

const ADVICE = "set EXAI_WS_TOKEN=auto for the daemon and its windows, or another EXAI_WS_PORT";

/**
 * Without a token nothing proves that our daemon listens at an address, so its listener must at least belong to our
 * own user. Not asked beyond this machine, nor with TLS, where the certificate is the proof.
 *
 * @throws {LinkError} `unproven`
 */
export async function checkListener(url: string, { mayBeNobody }: { mayBeNobody: boolean }): Promise<void> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol !== "ws:" || !isLoopback(host)) return;
  // Needed by few windows: most have a socket.
  const { PeerUsers } = await import("../transport/peer_user.ts");
  using users = await PeerUsers.open();
  const { kind } = users.ofListener({ hostname: host, port: Number(port || 80) });
  if (kind === "own" || (kind === "unknown" && mayBeNobody)) return;
  const why = kind === "other"
    ? `another user's program listens at ${url}; nothing was sent to it`
    : `the system does not tell whose program listens at ${url}, and no token is set to prove it`;
  throw new LinkError("unproven", `${why}; ${ADVICE}`);
}
